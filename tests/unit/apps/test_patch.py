"""What a posted object changes of a record, and what it must not."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings, BroadcastRecord

LIVE = AppSettings(app_name=AppName("live"), web_rtc_viewer_limit=3)


def patched(body: bytes) -> AppSettings:
    patch: Patch[AppSettings] = Patch.parse(body)
    return patch.applied_to(LIVE, keeping="appName")


def test_given_keys_change_and_all_others_stay() -> None:
    assert patched(b'{"ingestingStreamLimit": 7}') == msgspec.structs.replace(LIVE, ingesting_stream_limit=7)
    assert patched(b"{}") == LIVE


def test_unknown_keys_and_the_records_own_name_are_passed_over() -> None:
    assert patched(b'{"unknown": [1, {"a": "\xff"}], "appName": 5}') == LIVE


def test_the_last_of_two_like_keys_counts() -> None:
    assert patched(b'{"webRTCViewerLimit": "many", "webRTCViewerLimit": 5}').web_rtc_viewer_limit == 5


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "truncated"),
        (b"null", "got `null`"),
        (b"[]", "got `array`"),
        (b'{"\xff": 1}', "utf-8"),
        (b'{"webRTCViewerLimit": "many"}', "$.webRTCViewerLimit"),
        (b'{"abrDownScalePacketLostRatio": 101}', "$.abrDownScalePacketLostRatio"),
        (b'{"unknown": ' + b"[" * 60_000 + b"]" * 60_000 + b"}", "nested too deeply"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, word: str) -> None:
    with pytest.raises(PatchRefused) as refused:
        patched(body)
    assert word in str(refused.value)


def test_some_keys_can_be_read_alone() -> None:
    class Named(msgspec.Struct, rename="camel"):
        stream_id: str | None = None

    patch: Patch[BroadcastRecord] = Patch.parse(b'{"streamId": "s1", "encoderSettingsList": 5}')
    assert patch.read(Named).stream_id == "s1"
    with pytest.raises(PatchRefused):
        Patch.parse(b'{"streamId": 5}').read(Named)
