"""What was set in the store is taken in, and nonsense never displaces what made sense."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.apps import stored
from rillcast.apps.stored import StoredApps, StoredBroadcasts, StoredRefused
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderRung

LIVE, SHOW = AppName("live"), StreamId("show")
KEY = stream_key(LIVE, SHOW)
RUNGS = (LadderRung(height=360, video_bitrate=500_000),)
SETTINGS = AppSettings(app_name=AppName("live"), encoder_settings=RUNGS)
RECORD = BroadcastRecord(stream_id=StreamId("show"), encoder_settings_list=RUNGS)


def test_apps_come_change_and_go_and_only_news_is_news() -> None:
    apps = StoredApps()
    assert apps.apply("live", msgspec.json.encode(SETTINGS))
    assert not apps.apply("live", msgspec.json.encode(SETTINGS))
    assert apps.get(LIVE) == SETTINGS
    assert apps.names() == {LIVE}
    assert apps.apply("live", None)
    assert not apps.apply("live", None)
    assert apps.get(LIVE) is None


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("live", b"{not json", "malformed"),
        ("live", b'{"appName":"live","encoderSettings":[{"height":0,"videoBitrate":1}]}', "height is 0"),
        ("no app", b'{"appName":"no app"}', "no name of an app"),
    ],
)
def test_nonsense_about_an_app_is_refused_and_what_was_set_stays(key: str, value: bytes, word: str) -> None:
    apps = StoredApps()
    apps.apply("live", msgspec.json.encode(SETTINGS))
    with pytest.raises(StoredRefused, match=word):
        apps.apply(key, value)
    assert apps.get(LIVE) == SETTINGS


def test_broadcasts_come_change_and_go_and_only_news_is_news() -> None:
    broadcasts = StoredBroadcasts(BroadcastRecord)
    assert broadcasts.apply(KEY, msgspec.json.encode(RECORD)) == LIVE
    assert broadcasts.apply(KEY, msgspec.json.encode(RECORD)) is None
    assert broadcasts.get(LIVE, SHOW) == RECORD
    assert broadcasts.of_app(LIVE) == (RECORD,)
    assert broadcasts.apply(KEY, None) == LIVE
    assert broadcasts.apply(KEY, None) is None
    assert broadcasts.of_app(LIVE) == ()


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        (KEY, b"{", "malformed|truncated"),
        (KEY, b'{"streamId":"other"}', "of the stream 'other'"),
        (KEY, b'{"streamId":"show","encoderSettingsList":[{"height":0,"videoBitrate":1}]}', "height is 0"),
        ("no-stream-key", b"{}", "not a stream key"),
        ("live/no id!", b"{}", "no app with a stream id"),
        ("no-stream-key", None, "not a stream key"),
    ],
)
def test_nonsense_about_a_broadcast_is_refused_and_what_was_set_stays(key: str, value: bytes | None, word: str) -> None:
    broadcasts = StoredBroadcasts(BroadcastRecord)
    broadcasts.apply(KEY, msgspec.json.encode(RECORD))
    with pytest.raises(StoredRefused, match=word):
        broadcasts.apply(key, value)
    assert broadcasts.get(LIVE, SHOW) == RECORD


def test_both_are_bounded_and_what_is_known_may_still_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MAX_APPS", 1)
    monkeypatch.setattr(stored, "MAX_BROADCASTS", 1)
    monkeypatch.setattr(stored, "MADE_AT_ONCE", 1)
    apps, broadcasts = StoredApps(), StoredBroadcasts(BroadcastRecord)
    apps.apply("live", b'{"appName":"live"}')
    broadcasts.apply(KEY, b'{"streamId":"show"}')
    assert broadcasts.full
    with pytest.raises(StoredRefused, match="1 apps already"):
        apps.apply("more", b'{"appName":"more"}')
    assert broadcasts.apply("live/at-once", b'{"streamId":"at-once"}') == LIVE
    with pytest.raises(StoredRefused, match="2 broadcasts already"):
        broadcasts.apply("live/more", b'{"streamId":"more"}')
    assert apps.apply("live", msgspec.json.encode(SETTINGS))
    assert broadcasts.apply(KEY, msgspec.json.encode(RECORD)) == LIVE
    broadcasts.apply(KEY, None)
    broadcasts.apply("live/at-once", None)
    assert not broadcasts.full
