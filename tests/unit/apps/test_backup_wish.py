"""Which backup is asked for: the app's, the broadcast's in its place, and never a stream itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.apps.backup_wish import BackupWish, backup_of, check_backup
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord
from services.signaling.core.domain.broadcast_catalog import changed_broadcast

SHOW, SLATE, OTHER = StreamId("show"), StreamId("slate"), StreamId("other")
APP = AppSettings(app_name=AppName("live"), backup_stream_id="slate", backup_after_ms=2_000, backup_longest_s=60)


def show(**own: Any) -> BroadcastRecord:
    return BroadcastRecord(stream_id=SHOW, **own)


def test_nothing_is_asked_for_by_default() -> None:
    assert backup_of(SHOW, AppSettings(app_name=AppName("live")), None) is None


@pytest.mark.parametrize("settings", [APP, APP.ladder])
def test_an_app_has_one_backup_for_all_its_streams(settings: Any) -> None:
    assert backup_of(SHOW, settings, None) == BackupWish(stream=SLATE, after_s=2.0, longest_s=60)


def test_the_stream_that_all_others_have_as_backup_has_none_itself() -> None:
    assert backup_of(SLATE, APP, None) is None


@pytest.mark.parametrize(
    ("own", "wish"),
    [
        ({}, BackupWish(stream=SLATE, after_s=2.0, longest_s=60)),
        ({"backup_stream_id": "other"}, BackupWish(stream=OTHER, after_s=2.0, longest_s=60)),
        ({"backup_after_ms": 500}, BackupWish(stream=SLATE, after_s=0.5, longest_s=60)),
        ({"backup_longest_s": 5}, BackupWish(stream=SLATE, after_s=2.0, longest_s=5)),
        ({"backup_stream_id": ""}, None),
        ({"backup_stream_id": "show"}, None),
    ],
)
def test_a_broadcast_has_its_own_in_place_of_the_apps(own: dict[str, Any], wish: BackupWish | None) -> None:
    assert backup_of(SHOW, APP, show(**own)) == wish


def test_a_stream_as_its_own_backup_is_refused_in_words() -> None:
    with pytest.raises(PatchRefused, match="backupStreamId: 'show' cannot be its own backup; name another stream"):
        check_backup(show(backup_stream_id="show"))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"backupStreamId":"show"}', "its own backup"),
        (b'{"backupStreamId":"../other"}', r"nothing, or 1 to 255 letters.*backupStreamId"),
        (b'{"backupStreamId":"live/other"}', r"nothing, or 1 to 255 letters.*backupStreamId"),
        (b'{"backupAfterMs":100}', r"backupAfterMs"),
        (b'{"backupAfterMs":60001}', r"backupAfterMs"),
        (b'{"backupLongestS":0}', r"backupLongestS"),
        (b'{"backupLongestS":604801}', r"backupLongestS"),
        (b'{"backupLongestS":true}', r"backupLongestS"),
    ],
)
def test_what_cannot_work_is_refused_and_named(body: bytes, word: str) -> None:
    patch: Patch[BroadcastRecord] = Patch.parse(body)
    with pytest.raises(PatchRefused, match=word):
        changed_broadcast(show(), patch)


def test_null_gives_the_backup_back_to_the_app() -> None:
    patch: Patch[BroadcastRecord] = Patch.parse(b'{"backupStreamId":null,"backupAfterMs":null}')
    assert changed_broadcast(show(backup_stream_id="other", backup_after_ms=500), patch) == show()


def test_records_of_before_have_no_backup() -> None:
    assert msgspec.json.decode(b'{"streamId":"show"}', type=BroadcastRecord) == show()
