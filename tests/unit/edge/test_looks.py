"""What an edge shows an operator of one stream."""

from __future__ import annotations

from typing import Any

from edge_harness import APP, AUDIO, STREAM, VIDEO, Begin, World

from rillcast.contracts import subjects
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import NodeId, session_mark
from rillcast.contracts.messages import LookAnswer, LookRequest
from rillcast.media.protocol import SourceId, SourceStats


async def looked(world: World, **asked: Any) -> LookAnswer:
    """Asked as signaling does it."""
    return await world.bus.request(
        subjects.edge_look(world.node), LookRequest(app=APP, stream=asked.pop("stream", STREAM), **asked), LookAnswer
    )


async def with_viewers(begin: Begin, count: int = 1) -> tuple[World, list[Any]]:
    world = await begin()
    await world.parent("origin-1")
    await world.live()
    return world, [await world.watching() for _ in range(count)]


def source(source: SourceId, **figures: Any) -> SourceStats:
    base = {"packets": 500, "lost": 5, "recovered": 1, "keyframes": 3, "consumers": 1, "silent_ms": 0, "width": 1280}
    return SourceStats(source=source, bitrate_bps=1_500_000, frames_per_second=29.97, height=720, **base | figures)


async def test_feeds_are_shown_with_their_parent_and_with_figures_once_there_are_some(begin: Begin) -> None:
    world, _ = await with_viewers(begin)
    before = {feed.track: feed for feed in (await looked(world)).feeds}
    assert set(before) == {VIDEO.track, AUDIO.track}
    assert (before[VIDEO.track].parent, before[VIDEO.track].codec) == (NodeId("origin-1"), "VP8")
    assert (before[VIDEO.track].viewers, before[VIDEO.track].bitrate_bps) == (1, 0)

    world.plane.emit(source(world.source_of(VIDEO.track)))
    await world.settle()

    video = next(feed for feed in (await looked(world)).feeds if feed.track == VIDEO.track)
    assert (video.bitrate_bps, video.packets, video.lost) == (1_500_000, 500, 5)
    assert (video.frames_per_s, video.height) == (30.0, 720)


async def test_a_viewer_is_shown_by_a_mark_and_with_the_figures_of_its_link(begin: Begin) -> None:
    world, ((session, plane_session),) = await with_viewers(begin)
    world.clock.advance(3.0)
    world.figures(plane_session, loss=0.1, rtt_ms=81.6, lag_ms=12.2, nacks=7, repaired=6, video_bps=900, audio_bps=30)
    await world.settle()

    (viewer,) = (await looked(world)).viewers
    assert viewer.mark == session_mark(session)
    assert session not in str(viewer), "who knows the session may steer it"
    assert (viewer.rtt_ms, viewer.lag_ms, viewer.nacks, viewer.repaired, viewer.sent_bps) == (82, 12, 7, 6, 930)
    assert (viewer.here_s, viewer.track, viewer.height) == (3.0, VIDEO.track, 720)
    assert viewer.loss > 0


async def test_a_viewer_without_figures_is_shown_too(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1")
    await world.live()
    answer = await world.whep()
    (viewer,) = (await looked(world)).viewers
    assert (viewer.mark, viewer.sent_bps, viewer.trouble) == (session_mark(answer.session), 0, None)


async def test_those_with_the_worst_troubles_come_first_and_only_so_many(begin: Begin) -> None:
    world, there = await with_viewers(begin, 4)
    troubles = (None, Trouble.LONG_WAY, Trouble.PACKET_LOSS, None)
    for (session, _), trouble in zip(there, troubles, strict=True):
        viewer = world.edge.viewers.session(session)
        assert viewer is not None
        viewer.quality.trouble = trouble

    found = await looked(world, most=2)

    assert [viewer.trouble for viewer in found.viewers] == [Trouble.PACKET_LOSS, Trouble.LONG_WAY]
    assert (found.watching, (await looked(world, most=0)).viewers) == (4, ())


async def test_one_viewer_is_found_by_its_mark_and_an_unknown_mark_shows_nobody(begin: Begin) -> None:
    world, there = await with_viewers(begin, 3)
    mark = session_mark(there[1][0])
    assert [viewer.mark for viewer in (await looked(world, mark=mark, most=0)).viewers] == [mark]
    nobody = await looked(world, mark="0" * 16)
    assert (nobody.viewers, nobody.watching) == ((), 3)


async def test_a_stream_that_is_not_here_is_shown_as_nothing(begin: Begin) -> None:
    world, _ = await with_viewers(begin)
    assert await looked(world, stream="other") == LookAnswer()


async def test_figures_that_cannot_be_told_are_brought_to_what_can(begin: Begin) -> None:
    world, ((_, plane_session),) = await with_viewers(begin)
    world.figures(plane_session, rtt_ms=1e300, lag_ms=-5.0)
    await world.settle()
    (viewer,) = (await looked(world)).viewers
    assert viewer.rtt_ms > 0
    assert viewer.lag_ms == 0


async def test_figures_of_feeds_that_are_gone_are_forgotten(begin: Begin) -> None:
    world, _ = await with_viewers(begin)
    looks = world.edge.looks
    looks.on_event(source(SourceId(77)))
    looks.on_event(source(world.source_of(VIDEO.track)))
    looks.tick()
    assert set(looks._figures) == {world.source_of(VIDEO.track)}
