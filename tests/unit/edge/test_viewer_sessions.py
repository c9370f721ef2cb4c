"""Living viewers: their streams end, their sessions break, and what they ask of a session."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import KEY, VIDEO, Begin, World, rung, until

from rillcast.media import protocol
from services.edge import metrics

LOW = rung(360, 600_000)


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


@pytest.mark.parametrize("reason", protocol.CloseReason)
async def test_why_the_plane_ended_a_session_is_told_and_counted(world: World, reason: protocol.CloseReason) -> None:
    session, plane_session = await world.watching()
    before = metrics.ENDED.labels(reason.value)._value.get()

    world.plane.emit(protocol.SessionClosed(session=plane_session, reason=reason))

    await until(lambda: world.told(session)[-1:] == [("closed", reason.value)])
    assert metrics.ENDED.labels(reason.value)._value.get() == before + 1
