"""What operators give in files and variables: any text is either taken or refused with a `ValueError` in words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from rillcast.contracts.ids import is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.licensing.document import parse_private_key, parse_public_key
from rillcast.runtime.settings import describe_faults
from services.edge.config import EdgeSettings
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps, read_cidr_table
from services.signaling.core.domain.geo import parse_geo_regions
from services.signaling.core.domain.region import CidrTable, is_region_name, parse_address, parse_networks

SENTENCE = 2_000
"""Longer than this no refusal is, whatever was given."""
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=4)),
    max_leaves=8,
)
KEYS = sorted({field.encode_name for field in msgspec.structs.fields(AppSettings)})


@contextlib.contextmanager
def refused_in_words() -> Iterator[None]:
    """A refusal says something, and no more than fits a screen."""
    try:
        yield
    except ValueError as error:
        assert not isinstance(error, UnicodeError)
        assert 5 < len(str(error)) < SENTENCE


def mutated(text: bytes) -> st.SearchStrategy[bytes]:
    """The text with a few bytes changed, cut out or put in."""
    edit = st.tuples(st.integers(0, len(text)), st.integers(0, 6), st.binary(max_size=6))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = text
        for at, cut, put in edits:
            data = data[:at] + put + data[at + cut :]
        return data

    return st.lists(edit, max_size=4).map(apply)


APPS = json.dumps(
    {
        "live": {"webRTCViewerLimit": 5, "encoderSettings": [{"height": 360, "videoBitrate": 500000}]},
        "other": {"publishTokenSecret": "s" * 40, "ingestingStreamLimit": -1},
    }
).encode()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=80),
        mutated(APPS),
        JSON.map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4).map(lambda one: json.dumps({"live": one}).encode()),
    )
)
@example(b'{"live":' + b"[" * 5_000)
@example(b"\xff\xfe{}")
def test_an_apps_file_is_taken_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "apps.json"
    path.write_bytes(content)
    with refused_in_words():
        apps = read_apps(str(path))
        assert all(is_app_name(name) and found.app_name == name for name, found in apps.items())


ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.0/8", "::/0", "192.0.2.1/33", "::ffff:1.2.3.4", "fe80::1%eth0", "10.0.0", "x", "", "-1"]),
)
LINES = st.one_of(
    st.builds("{} {}".format, ADDRESSES, st.sampled_from(["eu", "eu z1", "eu,z1", "eu z1 x", "", "\u00e9", "x" * 65])),
    st.text(max_size=20),
)


@given(st.lists(LINES, max_size=6).map("\n".join), ADDRESSES)
def test_a_table_of_networks_is_taken_or_refused_with_the_line(text: str, asked: str) -> None:
    address = parse_address(asked)
    try:
        table = CidrTable.parse(text)
    except ValueError as error:
        assert str(error).startswith("line ") and len(str(error)) < SENTENCE
        return
    if address is not None:
        place = table.lookup(address)
        assert place is None or is_region_name(place.region)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40))
def test_a_table_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    with refused_in_words():
        read_cidr_table(str(path))


@given(
    st.one_of(
        st.text(max_size=40), st.lists(st.sampled_from(["DE=eu", "EU=", "D=e", "=", "de = a.b", ","])).map(",".join)
    )
)
def test_regions_of_countries_are_taken_or_refused(text: str) -> None:
    with refused_in_words():
        assert all(len(code) == 2 and is_region_name(region) for code, region in parse_geo_regions(text).items())


@given(st.one_of(st.text(max_size=40), st.lists(ADDRESSES, max_size=4).map(",".join)))
def test_lists_of_networks_are_taken_or_refused(text: str) -> None:
    with refused_in_words():
        parse_networks(text)


@pytest.mark.parametrize("read", [parse_public_key, lambda text: parse_private_key(text.encode("utf-8", "ignore"))])
@given(text=st.one_of(st.text(max_size=60), st.text(max_size=60).map(lambda t: f"-----BEGIN PUBLIC KEY-----\n{t}")))
def test_keys_are_taken_or_refused(read: Callable[[str], Any], text: str) -> None:
    with refused_in_words():
        read(text)


@pytest.mark.parametrize("kind", [SignalingSettings, EdgeSettings])
@settings(deadline=None)
@given(data=st.data())
def test_any_value_of_a_setting_is_taken_or_refused_by_its_name(kind: type[Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(kind.model_fields)))
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
    odd = st.sampled_from(
        ["", "0", "-1", "1e999", "nan", "65536", "9" * 400, "http://", "::1", "[]", "{}", "true", "a,b,,"]
    )
    value = data.draw(st.one_of(odd, text))
    try:
        kind(**{name: value})
    except ValidationError as error:
        lines = describe_faults(kind, error)
        assert lines and all(line.isprintable() for line in lines)
        assert any(name.upper() in line for line in lines) or len(lines) == 1
