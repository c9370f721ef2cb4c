"""Backups at the owner of a stream: what its record says of them, and how long it outlives its publisher."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest
from origin_harness import APP, KEY, OFFER, STREAM, RunningOrigin, World, until

from rillcast.contracts.ids import NodeId, SessionId, StreamId, stream_key
from rillcast.contracts.records import BroadcastRecord, LadderSettings, StreamRecord, TrackRecord
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from services.origin import metrics

SLATE = StreamId("slate")
SLATE_KEY = stream_key(APP, SLATE)
VIDEO = TrackRecord(track="v0", mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)  # type: ignore[arg-type]


async def wish(world: World, at: RunningOrigin, **own: Any) -> None:
    """What an operator sets for the broadcast."""
    record = BroadcastRecord(stream_id=STREAM, **{"backup_stream_id": SLATE, **own})
    await world.broadcasts.put(KEY, msgspec.json.encode(record))
    await until(lambda: at.origin.backups._wish(APP, STREAM) is not None or own.get("backup_stream_id") == "")


async def slate(world: World, at: RunningOrigin, **more: Any) -> None:
    """The other stream, which another origin has."""
    fields: dict[str, Any] = {
        "app": APP,
        "stream": SLATE,
        "owner": NodeId("origin-9"),
        "publisher_session": SessionId("p"),
        "tracks": (VIDEO,),
        "media_flowing": True,
        "epoch": 5,
        **more,
    }
    record = StreamRecord(**fields)
    await world.streams.put(SLATE_KEY, msgspec.json.encode(record))
    await until(lambda: (live := at.media_node.watch.directory.by_key(SLATE_KEY)) is not None and live.record == record)


class Publisher:
    """Sends, or does not, for so long. The other stream's owner goes on writing its record."""

    def __init__(self, world: World, at: RunningOrigin) -> None:
        self.world, self.at = world, at
        self.packets = self.keyframes = 0
        self.silent_s = 0.0
        self.slate: dict[str, Any] | None = {}

    async def passes(self, seconds: int, *, sends: bool, keyframes: bool = True) -> None:
        for _ in range(seconds):
            if self.slate is not None:
                await slate(self.world, self.at, **self.slate)
            await self.world.pass_time(1.0, step_s=0.1)
            self.silent_s = 0.0 if sends else self.silent_s + 1
            self.packets += 50 * sends
            self.keyframes += sends and keyframes
            for source in self.at.living_sources():
                self.at.source_stats(
                    source, silent_ms=round(self.silent_s * 1_000), packets=self.packets, keyframes=self.keyframes
                )

    async def named(self) -> StreamId | None:
        record = await self.world.record()
        assert record is not None
        return record.backup


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def begin(world: World, **own: Any) -> tuple[RunningOrigin, SessionId, Publisher]:
    at = await world.origin()
    answer = await world.go_live(at)
    await wish(world, at, **own)
    publisher = Publisher(world, at)
    await publisher.passes(3, sends=True)
    return at, answer.session, publisher


async def test_the_record_names_the_backup_of_a_silent_publisher_until_it_is_back(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    _, session, publisher = await begin(world, backup_longest_s=77)
    assert await publisher.named() is None
    taken = metrics.BACKUPS.labels("taken")._value.get()

    await publisher.passes(3, sends=False)
    assert await publisher.named() == SLATE
    assert (await world.settled_record()).backup_longest_s == 77
    assert metrics.ON_BACKUP._value.get() == 1
    assert metrics.BACKUPS.labels("taken")._value.get() == taken + 1
    assert sum("shown the backup" in record.getMessage() for record in caplog.records) == 1

    await publisher.passes(4, sends=True)
    assert await publisher.named() is None
    assert metrics.ON_BACKUP._value.get() == 0
    assert world.told(session) == [("connected", None), ("media", None)], "its client hears nothing of it"


async def test_nothing_is_written_while_nothing_changes(world: World) -> None:
    _, _, publisher = await begin(world)
    await publisher.passes(5, sends=False)
    written = len([key for key, _ in world.streams.writes if key == KEY])
    steps = metrics.BACKUPS.labels("other")._value.get()

    for owned in world.origins[0].origin.owner._streams:
        owned.hold._keeper._hurried.clear()
    for _ in range(50):
        world.origins[0].origin.backups.tick()
    await world.settle()

    assert len([key for key, _ in world.streams.writes if key == KEY]) == written
    assert metrics.BACKUPS.labels("other")._value.get() == steps


async def test_the_publisher_is_asked_for_the_keyframe_with_which_viewers_begin(world: World) -> None:
    at, _, publisher = await begin(world)
    await publisher.passes(4, sends=False)
    assert at.plane.of(protocol.RequestKeyframe) == [], "nobody is there to make one"

    await publisher.passes(3, sends=True, keyframes=False)
    asked = at.plane.of(protocol.RequestKeyframe)
    assert 2 <= len(asked) <= 4
    assert await publisher.named() == SLATE
    await publisher.passes(2, sends=True)
    assert await publisher.named() is None


async def test_an_app_has_one_for_all_its_streams(world: World) -> None:
    at = await world.origin()
    await world.go_live(at)
    settings = LadderSettings(app_name=APP, backup_stream_id=SLATE, backup_after_ms=3_000)
    await world.apps.put(APP, msgspec.json.encode(settings))
    await until(lambda: at.origin.backups._wish(APP, STREAM) is not None)
    publisher = Publisher(world, at)
    await publisher.passes(3, sends=True)

    await publisher.passes(2, sends=False)
    assert await publisher.named() is None
    await publisher.passes(3, sends=False)
    assert await publisher.named() == SLATE


@pytest.mark.parametrize(
    "state", [{"silent": True}, {"media_flowing": False}, {"backup": StreamId("another")}, None], ids=str
)
async def test_a_backup_without_media_of_its_own_publisher_is_none(world: World, state: dict[str, Any] | None) -> None:
    _, _, publisher = await begin(world)
    publisher.slate = state
    if state is None:
        await world.streams.delete(SLATE_KEY)

    await publisher.passes(5, sends=False)

    assert await publisher.named() is None


async def test_when_the_backup_falls_silent_the_record_names_none(world: World) -> None:
    _, _, publisher = await begin(world)
    await publisher.passes(3, sends=False)
    publisher.slate = {"silent": True}
    await publisher.passes(1, sends=False)
    assert await publisher.named() is None
    publisher.slate = {}
    await publisher.passes(1, sends=False)
    assert await publisher.named() == SLATE


async def test_a_wish_that_is_taken_back_ends_it(world: World) -> None:
    at, _, publisher = await begin(world)
    await publisher.passes(3, sends=False)
    await wish(world, at, backup_stream_id="")
    await publisher.passes(1, sends=False)
    assert await publisher.named() is None


async def test_nonsense_in_the_store_displaces_no_wish(world: World) -> None:
    _, _, publisher = await begin(world)
    refused = metrics.SETTINGS_REFUSED._value.get()
    await world.broadcasts.put(KEY, b'{"streamId":"s1","backupStreamId":"../x"}')
    await world.apps.put(APP, b"{")
    await publisher.passes(3, sends=False)
    assert await publisher.named() == SLATE
    assert metrics.SETTINGS_REFUSED._value.get() == refused + 2


async def test_a_stream_outlives_its_publisher_on_the_backup_and_no_longer_than_was_set(world: World) -> None:
    at, session, publisher = await begin(world, backup_longest_s=30)
    (number,) = at.origin.webrtc._by_plane
    at.plane.emit(protocol.SessionClosed(session=number, reason=protocol.CloseReason.CONSENT_EXPIRED))
    await publisher.passes(28, sends=False)
    assert await publisher.named() == SLATE
    assert "ended" not in world.announced()

    await publisher.passes(4, sends=False)

    assert world.announced()[-1] == "ended"
    assert ("closed", EndReason.CONSENT_EXPIRED) in world.told(session)
    assert at.nothing_is_left()
    assert metrics.ON_BACKUP._value.get() == 0


async def test_without_its_backup_a_stream_waits_for_its_publisher_once_more(world: World) -> None:
    at, _, publisher = await begin(world, backup_longest_s=3_600)
    (number,) = at.origin.webrtc._by_plane
    at.plane.emit(protocol.SessionClosed(session=number, reason=protocol.CloseReason.CONSENT_EXPIRED))
    await publisher.passes(60, sends=False)
    publisher.slate = {"silent": True}

    await publisher.passes(8, sends=False)
    assert "ended" not in world.announced(), "start_timeout_ms is 10 s"
    await publisher.passes(5, sends=False)

    assert world.announced()[-1] == "ended"


async def test_a_publisher_that_returns_in_another_session_has_its_viewers_again(world: World) -> None:
    at, _, publisher = await begin(world)
    (number,) = at.origin.webrtc._by_plane
    at.plane.emit(protocol.SessionClosed(session=number, reason=protocol.CloseReason.CONSENT_EXPIRED))
    await publisher.passes(40, sends=False)
    assert await publisher.named() == SLATE

    await world.go_live(at, sdp_offer=OFFER)
    await publisher.passes(4, sends=True)

    assert await publisher.named() is None
    assert world.announced() == ["started", "restored"]


async def test_who_stops_on_purpose_ends_the_stream_whatever_was_set(world: World) -> None:
    at, session, publisher = await begin(world)
    await publisher.passes(3, sends=False)
    await world.close(at, session)
    assert world.announced()[-1] == "ended"
    assert await world.record() is None


async def test_a_plane_that_is_behind_is_asked_again(world: World) -> None:
    at, _, publisher = await begin(world)
    await publisher.passes(3, sends=False)
    at.plane.refused = protocol.RequestKeyframe
    await publisher.passes(2, sends=True, keyframes=False)
    at.plane.refused = None
    await publisher.passes(2, sends=True, keyframes=False)
    assert at.plane.of(protocol.RequestKeyframe)
