"""The MaxMind database, on a tiny one written here (MaxMind DB format 2.0)."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

import pytest

from rillcast.runtime.errors import StartError
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.file_tables import read_apps, read_cidr_table
from services.signaling.core.adapters.maxmind_geo import open_geo_database
from services.signaling.core.wire import read_files

METADATA_MARK = b"\xab\xcd\xefMaxMind.com"


def encode(value: object) -> bytes:
    """The data section's encoding of strings, maps, unsigned numbers and lists, as far as needed."""
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, int):
        return bytes([6 << 5 | 4]) + struct.pack(">I", value)
    if isinstance(value, dict):
        return bytes([7 << 5 | len(value)]) + b"".join(encode(key) + encode(item) for key, item in value.items())
    assert value == []
    return bytes([0, 11 - 7])


def database(network: str, record: dict[str, object]) -> bytes:
    """One IPv4 network with a record; 24-bit search tree, one node per prefix bit."""
    net = ipaddress.IPv4Network(network)
    count, bits = net.prefixlen, int(net.network_address)
    nodes = []
    for depth in range(count):
        following = depth + 1 if depth + 1 < count else count + 16
        sides = [count, count]
        sides[bits >> (31 - depth) & 1] = following
        nodes.append(b"".join(side.to_bytes(3, "big") for side in sides))
    metadata = {
        "node_count": count,
        "record_size": 24,
        "ip_version": 4,
        "database_type": "Test-Country",
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "languages": [],
        "description": {},
    }
    return b"".join(nodes) + bytes(16) + encode(record) + METADATA_MARK + encode(metadata)


def test_country_and_continent_are_found(tmp_path: Path) -> None:
    path = tmp_path / "geo.mmdb"
    path.write_bytes(database("192.0.2.0/24", {"country": {"iso_code": "DE"}, "continent": {"code": "EU"}}))

    lookup = open_geo_database(str(path))

    assert lookup is not None
    assert list(lookup(ipaddress.ip_address("192.0.2.77"))) == ["DE", "EU"]
    assert list(lookup(ipaddress.ip_address("198.51.100.1"))) == []
    assert list(lookup(ipaddress.ip_address("2001:db8::1"))) == []


def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    assert open_geo_database("") is None
    assert read_cidr_table("") is None
    assert read_apps("") == {}


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(b"\xff\xfe no such thing")
    with pytest.raises(ValueError, match="broken"):
        open_geo_database(str(path))
    with pytest.raises(ValueError, match="broken"):
        read_cidr_table(str(path))
    with pytest.raises(ValueError, match="broken"):
        read_apps(str(path))


@pytest.mark.parametrize("setting", ["apps_file", "region_table", "geo_database"])
def test_a_file_that_cannot_be_read_ends_the_start_with_a_line_that_names_the_setting(setting: str) -> None:
    with pytest.raises(StartError, match=f"RILLCAST_SIGNALING_{setting.upper()}: .*/does/not/exist"):
        read_files(SignalingSettings.model_validate({setting: "/does/not/exist"}))


def test_app_settings_from_a_file_keep_their_name_and_refuse_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "apps.json"
    path.write_text('{"live": {"webRTCViewerLimit": 5}}')
    apps = read_apps(str(path))
    path.write_text('{"live": {"webRTCViewerLimit": "five"}}')

    assert [(app, settings.web_rtc_viewer_limit) for app, settings in apps.items()] == [("live", 5)]
    with pytest.raises(ValueError, match="webRTCViewerLimit"):
        read_apps(str(path))
