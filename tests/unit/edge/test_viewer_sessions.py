"""Living viewers: their streams end, their sessions break, and what they ask of a session."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, EDGE, KEY, VIDEO, Begin, World, rung, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import Ack, RestartIceAnswer, RestartIceRequest, SelectRendition
from rillcast.media import protocol
from services.edge import metrics
from services.edge.domain.stream_change import Left
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer

LOW = rung(360, 600_000)


async def test_the_announced_end_closes_viewers_and_relays_at_once(world: World) -> None:
    session, plane_session = await world.watching()

    await world.ended(epoch=1)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])
    assert [r.session for r in world.plane.of(protocol.RemoveSession)] == [plane_session]
    assert len(world.plane.of(protocol.RemoveSource)) == 2


async def test_closing_says_whether_there_was_a_session(world: World) -> None:
    session, _ = await world.watching()

    assert [await world.close(session) for _ in range(2)] == [True, False]


async def test_news_of_the_end_of_an_older_epoch_is_ignored(world: World) -> None:
    session, _ = await world.watching()
    await world.parent("origin-2")
    await world.live("origin-2", epoch=7)
    await world.pass_time(0.5)

    await world.ended(epoch=1)

    assert ("closed", "stream_ended") not in world.told(session)


async def test_a_vanished_record_with_silence_ends_viewers_after_the_grace_time(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()

    await world.pass_time(9.0)
    assert ("closed", "stream_ended") not in world.told(session)
    await world.pass_time(2.0)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])


async def test_a_vanished_record_while_media_flows_ends_nobody(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()

    for _ in range(60):
        world.plane.emit(
            protocol.SourceStats(
                source=world.source_of("v0"),
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
        await world.pass_time(1.0, step_s=1.0)

    assert ("closed", "stream_ended") not in world.told(session)
    assert world.plane.of(protocol.RemoveSession) == []


async def test_a_record_that_returns_in_time_ends_nobody(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()
    await world.pass_time(8.0)
    await world.parent("origin-2")

    await world.live("origin-2", epoch=12)
    await world.pass_time(20.0, step_s=1.0)

    assert ("closed", "stream_ended") not in world.told(session)
    assert {o.epoch for o in world.parents["origin-2"].opened} == {12}


async def test_media_goes_on_while_bus_and_store_are_away(world: World) -> None:
    session, _ = await world.watching()
    world.edge_bus.connected = False
    world.streams.available = False

    await world.pass_time(120.0, step_s=1.0)

    assert world.plane.of(protocol.RemoveSession) == []
    assert world.edge.viewers.session(session) is not None


async def test_a_stream_that_returns_in_another_codec_closes_the_viewers_that_have_nothing_left(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1", VIDEO)
    await world.live(tracks=(VIDEO,))
    session, _ = await world.watching()

    await world.live(tracks=(msgspec.structs.replace(VIDEO, codec="AV1"),), epoch=3)

    await until(lambda: world.told(session)[-1:] == [("closed", "codec_changed")])


async def test_a_session_the_plane_lost_is_told_and_frees_its_relays(world: World) -> None:
    session, plane_session = await world.watching()

    world.plane.emit(protocol.SessionClosed(session=plane_session, reason=protocol.CloseReason.CONSENT_EXPIRED))

    await until(lambda: world.told(session)[-1:] == [("closed", "consent_expired")])
    assert world.plane.of(protocol.RemoveSession) == []
    assert [feed.users for feed in world.edge.relays.feeds_of(KEY)] == [0, 0]


async def test_a_session_the_plane_refused_is_told(world: World) -> None:
    answer = await world.whep()

    world.plane.emit(protocol.Error(command="add_session", id=world.added()[0].session, message="no"))

    await until(lambda: world.told(answer.session) == [("closed", "plane_error")])


async def test_bitrates_are_measured_every_five_seconds(world: World) -> None:
    session, plane_session = await world.watching()

    for _ in range(11):
        world.figures(plane_session, estimate_bps=5_000_000, video_bps=900_000, audio_bps=40_000)
        await world.pass_time(1.0, step_s=1.0)

    measured = [c for c in world.changes if c.session == session and c.target_bitrate_bps is not None]
    assert [(c.target_bitrate_bps, c.video_bitrate_bps, c.audio_bitrate_bps) for c in measured] == [
        (5_000_000, 900_000, 40_000)
    ] * 2


class _Mute(msgspec.Struct, kw_only=True):
    """A `MuteRequest` of somebody who knows other kinds."""

    session: SessionId
    kind: str
    enabled: bool = True


async def test_nonsense_and_unknown_sessions_are_named(world: World) -> None:
    session, _ = await world.watching()

    for subject, message, code in (
        (subjects.edge_select(EDGE), SelectRendition(session=session, height=-1), ErrorCode.BAD_REQUEST),
        (subjects.session_mute(EDGE), _Mute(session=session, kind="smell"), ErrorCode.BAD_REQUEST),
        (subjects.edge_select(EDGE), SelectRendition(session=SessionId("x"), height=0), ErrorCode.UNKNOWN_SESSION),
    ):
        with pytest.raises(RillcastError) as refusal:
            await world.bus.request(subject, message, Ack)
        assert refusal.value.code is code


async def test_an_ice_restart_gives_fresh_credentials(world: World) -> None:
    session, plane_session = await world.watching()
    restart = RestartIceRequest(session=session, remote_ufrag="abcd", remote_pwd="p" * 22)

    fresh = await world.bus.request(subjects.session_restart_ice(EDGE), restart, RestartIceAnswer)

    command = world.plane.of(protocol.RestartIce)[0]
    assert (command.session, command.ice.local_ufrag) == (plane_session, fresh.local_ufrag)


@pytest.mark.parametrize("reason", protocol.CloseReason)
async def test_why_the_plane_ended_a_session_is_told_and_counted(world: World, reason: protocol.CloseReason) -> None:
    session, plane_session = await world.watching()
    before = metrics.ENDED.labels(reason.value)._value.get()

    world.plane.emit(protocol.SessionClosed(session=plane_session, reason=reason))

    await until(lambda: world.told(session)[-1:] == [("closed", reason.value)])
    assert metrics.ENDED.labels(reason.value)._value.get() == before + 1


async def test_new_bit_rates_in_the_record_concern_no_viewer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=1), LOW, AUDIO))
    for _ in range(3):
        await world.watching()
    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=2), LOW, AUDIO))
    await world.settle()
    looked: list[Viewer] = []

    def reconcile(viewer: Viewer) -> list[tuple[Subscription, Left]]:
        looked.append(viewer)
        return []

    monkeypatch.setattr(world.edge.allocator, "reconcile", reconcile)
    for bitrate_bps in (3, 4, 5):
        await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=bitrate_bps), LOW, AUDIO))
        await world.settle()
    assert looked == []

    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=6), AUDIO))
    await until(lambda: len(looked) == 3)
