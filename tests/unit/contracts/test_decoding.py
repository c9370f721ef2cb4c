"""Whatever bytes another process, an operator or a client wrote, reading them fails in one way only."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.apps.stored import StoredApps, StoredBroadcasts, StoredRefused
from rillcast.cluster.stream_directory import StreamDirectory
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.records import BroadcastRecord
from rillcast.runtime.ports import Entry

NONSENSE = {
    "nothing": b"",
    "no json": b"{",
    "a wrong type": b"[]",
    "no utf-8": b'{"streamId": "\xff", "appName": "\xff", "app": "\xff"}',
    "too deep": b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}
TRACK: dict[str, object] = {"track": "v0", "mid": "v0", "kind": "video", "codec": "H264", "clock_rate": 90_000}
RECORD: dict[str, object] = {
    "app": "live",
    "stream": "s1",
    "owner": "origin-1",
    "publisher_session": "p",
    "tracks": [TRACK],
    "epoch": 7,
}
nonsense = pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)


@nonsense
def test_nonsense_is_refused_with_a_reason(value: bytes) -> None:
    with pytest.raises(Undecodable, match=r"\w"):
        decode_json(value, BroadcastRecord)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(value: bytes) -> None:
    try:
        decode_json(value, BroadcastRecord)
    except Undecodable:
        return
    msgspec.json.decode(value, type=BroadcastRecord)


@pytest.mark.parametrize(
    "impossible",
    [
        {"epoch": -1},
        {"epoch": 2**64},
        {"owner": "é"},
        {"publisher_session": ""},
        {"meta_data": "m" * 20_000},
        {"tracks": [TRACK | {"mid": "a/b"}]},
        {"tracks": [TRACK | {"height": -720}]},
    ],
)
def test_a_record_with_one_impossible_field_is_counted_and_what_was_known_stays(impossible: dict[str, object]) -> None:
    directory = StreamDirectory()
    directory.apply_stream(Entry("live/s1", msgspec.json.encode(RECORD), 1), 0.0)
    assert not directory.apply_stream(Entry("live/s1", msgspec.json.encode(RECORD | impossible), 2), 0.0)
    (live,) = directory.all()
    assert (directory.undecodable, live.epoch.number) == (1, 7)


@nonsense
@pytest.mark.parametrize("apply", [StoredApps().apply, StoredBroadcasts(BroadcastRecord).apply])
def test_settings_that_make_no_sense_are_refused(apply: Callable[[str, bytes], object], value: bytes) -> None:
    with pytest.raises(StoredRefused):
        apply("live/s1", value)


@nonsense
def test_records_that_make_no_sense_are_counted_and_passed_over(value: bytes) -> None:
    directory = StreamDirectory()
    assert not directory.apply_stream(Entry("live/s1", value, 1), 0.0)
    assert not directory.apply_rendition(Entry("live/s1/ladder", value, 1), 0.0)
    assert directory.undecodable == 2
