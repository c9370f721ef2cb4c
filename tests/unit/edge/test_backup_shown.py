"""A stream whose record names a backup: its viewers are shown that one in their sessions, and then their own again."""

from __future__ import annotations

import asyncio
import logging
from itertools import islice

import msgspec
import pytest
from edge_harness import APP, AUDIO, EDGE, KEY, STREAM, VIDEO, World, rung, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_no_viewer_left import SECOND, STEPS, Life, Step, check

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import subjects
from rillcast.contracts.ids import SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import Ack, MuteRequest
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.testing.clock import VirtualTimeLoop
from services.edge import metrics

SLATE, THIRD = StreamId("slate"), StreamId("third")
SLATE_KEY = stream_key(APP, SLATE)
LOW = rung(360, 600_000)


async def slate(world: World, *tracks: protocol.Command, lives: bool = True) -> None:
    """Another stream of the app, from origin-2, with the same track ids."""
    if "origin-2" not in world.parents:
        await world.parent("origin-2", VIDEO, LOW, AUDIO)
    if lives:
        await world.live("origin-2", stream=SLATE)
    else:
        await world.vanish(SLATE)
    await world.settle()


async def silent(world: World, backup: StreamId | None = SLATE) -> None:
    await world.live(backup=backup)
    await world.settle()


def switches(world: World, session: PlaneSession, since: int = 0) -> list[protocol.SwitchSource]:
    found = islice(world.plane.commands, since, None)
    return [one for one in found if isinstance(one, protocol.SwitchSource) and one.session == session]


async def complete(world: World, session: PlaneSession) -> None:
    """The plane has done what it was told last, and figures come."""
    await until(lambda: not len(world.edge.switch))
    newest = {one.track: one.source for one in switches(world, session)}
    for track, source in newest.items():
        if source is not None:
            world.plane.emit(protocol.SourceSwitched(session=session, track=track, source=source))
    world.figures(session)
    await world.settle()


def shown(world: World, session: SessionId) -> dict[str, str]:
    """By kind: the key of the stream that the viewer is shown."""
    viewer = world.edge.viewers.session(session)
    assert viewer is not None
    return {track.kind.value: track.shown.feed.key for track in viewer.tracks if track.shown.feed is not None}


async def test_viewers_are_shown_the_backup_and_then_their_stream_again(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)

    await silent(world)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}

    await silent(world, backup=None)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": KEY, "audio": KEY}
    assert len(world.added()) == 1, "the session is the same"
    assert world.plane.of(protocol.RemoveSession) == []
    assert len(switches(world, plane_session)) == 4
    assert {o.stream for o in world.parents["origin-2"].opened} == {SLATE}


async def test_the_sound_of_the_other_stream_is_not_heard_beside_the_picture(world: World) -> None:
    _, plane_session = await world.watching()
    await slate(world)
    await silent(world)

    await until(lambda: len(switches(world, plane_session)) == 2)

    audio = world.edge.viewers.plane(plane_session).tracks  # type: ignore[union-attr]
    held = {track.index: track.kind is MediaKind.AUDIO for track in audio}
    assert {one.track: one.hold for one in switches(world, plane_session)} == held


async def test_who_joins_meanwhile_begins_with_the_backup(world: World) -> None:
    await slate(world)
    await silent(world)

    session, plane_session = await world.watching()

    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}
    assert world.parents["origin-1"].opened == [], "nothing was asked of the publisher's node"
    await silent(world, backup=None)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": KEY, "audio": KEY}


async def test_a_kind_that_the_backup_lacks_stays_where_it_is(world: World, caplog: pytest.LogCaptureFixture) -> None:
    session, plane_session = await world.watching()
    other, _ = await world.watching()
    await world.parent("origin-2", VIDEO)
    await world.live("origin-2", stream=SLATE, tracks=(VIDEO,))
    before = metrics.BACKUP_MISFITS.labels("kind")._value.get()

    with caplog.at_level(logging.WARNING):
        await silent(world)
        await complete(world, plane_session)
        await world.live("origin-1", epoch=1, backup=SLATE, tracks=(VIDEO, LOW, AUDIO))
        await world.settle()

    assert shown(world, session) == {"video": SLATE_KEY, "audio": KEY}
    audio = [track.index for track in world.edge.viewers.session(other).tracks if track.kind is MediaKind.AUDIO]  # type: ignore[union-attr]
    assert not [one for one in switches(world, plane_session) if one.track in audio]
    assert metrics.BACKUP_MISFITS.labels("kind")._value.get() == before + 1, "of two viewers, and at two changes"
    assert sum("lacks a kind" in record.getMessage() for record in caplog.records) == 1


async def test_without_a_common_codec_the_last_picture_stays_and_it_is_said_once_each_time(world: World) -> None:
    session, plane_session = await world.watching()
    other = msgspec.structs.replace(VIDEO, codec="H264")
    await world.parent("origin-2", other, AUDIO)
    await world.live("origin-2", stream=SLATE, tracks=(other, AUDIO))
    before = metrics.BACKUP_MISFITS.labels("codec")._value.get()

    for _ in range(2):
        await silent(world)
        await complete(world, plane_session)
        assert shown(world, session) == {"video": KEY, "audio": SLATE_KEY}
        await silent(world, backup=None)
        await complete(world, plane_session)

    assert metrics.BACKUP_MISFITS.labels("codec")._value.get() == before + 2
    assert ("closed", "codec_changed") not in world.told(session)


async def test_the_backups_death_leaves_the_publisher_and_its_return_is_shown(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await silent(world)
    await complete(world, plane_session)

    await slate(world, lives=False)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": KEY, "audio": KEY}

    await slate(world)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}


async def test_the_end_of_the_backup_ends_no_other_stream(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await silent(world)
    await complete(world, plane_session)

    await world.ended(epoch=1, owner="origin-2", stream=SLATE)
    await world.vanish(SLATE)
    await world.pass_time(30.0, step_s=1.0)

    assert world.edge.viewers.session(session) is not None


async def test_the_announced_end_of_a_stream_ends_it_also_on_its_backup(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await silent(world)
    await complete(world, plane_session)

    await world.ended(epoch=1)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])


async def test_a_backup_has_no_backup(world: World) -> None:
    session, plane_session = await world.watching()
    await world.parent("origin-2")
    await world.live("origin-2", stream=SLATE, backup=THIRD)
    await world.live("origin-2", stream=THIRD, backup=STREAM)

    await silent(world)
    await complete(world, plane_session)

    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}


async def test_a_stream_that_names_itself_is_shown_itself(world: World) -> None:
    session, plane_session = await world.watching()

    await silent(world, backup=STREAM)
    await complete(world, plane_session)

    assert shown(world, session) == {"video": KEY, "audio": KEY}
    assert switches(world, plane_session) == []


async def test_a_backup_that_is_not_live_yet_is_shown_when_it_is(world: World) -> None:
    session, plane_session = await world.watching()
    await silent(world)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": KEY, "audio": KEY}

    await slate(world)
    await complete(world, plane_session)

    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}


async def test_a_relay_that_does_not_open_is_tried_again(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    world.parents["origin-2"].tracks.clear()
    await silent(world)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": KEY, "audio": KEY}

    world.parents["origin-2"].tracks.update({TrackId("v0"): VIDEO, TrackId("a0"): AUDIO})
    for _ in range(2):
        await world.pass_time(1.0)
        await complete(world, plane_session)

    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}


async def test_who_has_muted_a_track_is_not_sent_it_and_then_gets_the_backups(world: World) -> None:
    session, plane_session = await world.watching()
    mute = MuteRequest(session=session, kind=MediaKind.VIDEO, enabled=False)
    await world.bus.request(subjects.session_mute(EDGE), mute, Ack)
    await slate(world)
    since = len(world.plane.commands)

    await silent(world)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}
    viewer = world.edge.viewers.session(session)
    assert viewer is not None
    (video,) = (track for track in viewer.tracks if track.kind is MediaKind.VIDEO)
    assert not [one for one in switches(world, plane_session, since) if one.track == video.index]

    await world.bus.request(subjects.session_mute(EDGE), msgspec.structs.replace(mute, enabled=True), Ack)
    await until(lambda: switches(world, plane_session, since)[-1].track == video.index)
    feed = video.shown.feed or video.coming.feed
    assert feed is not None
    assert switches(world, plane_session, since)[-1].source == feed.source
    assert feed.key == SLATE_KEY


def flows(world: World, key: str) -> None:
    for feed in world.edge.relays.feeds_of(key):
        world.plane.emit(
            protocol.SourceStats(
                source=SourceId(feed.source),
                bitrate_bps=1,
                packets=5,
                lost=0,
                recovered=0,
                keyframes=1,
                frames_per_second=30.0,
                width=0,
                height=0,
                silent_ms=10,
                consumers=1,
            )
        )


async def test_when_the_owner_dies_viewers_stay_as_long_as_it_would_have_kept_the_stream(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await world.live(backup=SLATE, longest_s=40)
    await world.settle()
    await complete(world, plane_session)

    await world.vanish()
    for second in range(60):
        flows(world, SLATE_KEY)
        await world.pass_time(1.0, step_s=1.0)
        if second == 38:
            assert ("closed", "stream_ended") not in world.told(session)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])


async def test_when_the_owner_and_then_the_backup_die_viewers_are_told_the_end(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await world.live(backup=SLATE, longest_s=4_000)
    await world.settle()
    await complete(world, plane_session)
    await world.vanish()
    for _ in range(20):
        flows(world, SLATE_KEY)
        await world.pass_time(1.0, step_s=1.0)
    assert ("closed", "stream_ended") not in world.told(session)

    await world.pass_time(12.0, step_s=1.0)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])


async def test_another_owner_goes_on_with_the_backup(world: World) -> None:
    session, plane_session = await world.watching()
    await slate(world)
    await silent(world)
    await complete(world, plane_session)
    await world.vanish()

    await world.live("origin-2", epoch=9, backup=SLATE)
    await complete(world, plane_session)
    assert shown(world, session) == {"video": SLATE_KEY, "audio": SLATE_KEY}
    await world.live("origin-2", epoch=9)
    await complete(world, plane_session)

    assert shown(world, session) == {"video": KEY, "audio": KEY}
    assert len(world.added()) == 1


async def test_renditions_of_the_backup_are_chosen_from_as_usual(world: World) -> None:
    session, plane_session = await world.watching()
    await world.parent("origin-2", VIDEO, LOW, AUDIO)
    high = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)
    await world.live("origin-2", stream=SLATE, tracks=(high, LOW, AUDIO))
    await silent(world)
    await complete(world, plane_session)
    viewer = world.edge.viewers.session(session)
    assert viewer is not None

    for _ in range(8):
        world.figures(plane_session, estimate_bps=700_000, loss=0.2, video_bps=2_000_000)
        await world.pass_time(1.0)
        await complete(world, plane_session)
        if viewer.subscriptions[0].tracks[0].track == LOW.track:
            break

    (video,) = (track for track in viewer.tracks if track.kind is MediaKind.VIDEO)
    assert video.track_of(SLATE_KEY) == LOW.track
    assert 360 in world.heights(session)


def backup_of(live: LiveStream) -> str:
    return KEY if live.record.backup is None else stream_key(APP, live.record.backup)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=5, max_size=30), st.booleans())
def test_whatever_happened_viewers_are_shown_what_the_record_says(steps: list[Step], on_backup: bool) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_calm_after(steps, on_backup))


async def _calm_after(steps: list[Step], on_backup: bool) -> None:
    life = Life()
    await life.world.start()
    await life.begin()
    for name, which in steps:
        await getattr(life, name)(which)
        await life.world.settle()
    life.plane.busy = False
    for parent in life.parents.values():
        life.agree(parent)
    await life.second(7)
    life.backup = SECOND if on_backup else None
    life.epoch += 1
    await life.live("origin-1")
    for _ in range(24):
        await life.figures(2)
        await life.switch_all()
        await life.wait(1)
    for viewer in life.world.edge.viewers:
        for track in viewer.tracks:
            mine = viewer.stage > 0 and any(s.key == KEY and track in s.tracks for s in viewer.subscriptions)
            if mine and track.codec in {"VP8", "opus"}:
                key = stream_key(APP, SECOND) if on_backup else KEY
                assert track.track_of(key) is not None, (track.index, track.codec)
    await life.end(False)
    check(life)
    await life.world.stop()
