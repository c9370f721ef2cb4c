"""Viewers who have only a codec that a ladder is about to make. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from edge_harness import AUDIO, VIDEO, WHEP_OFFER, World, rung

from rillcast.apps.ladder_wish import RUNG_WAIT_S
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.messages import SessionAnswer
from rillcast.testing.clock import VirtualTimeLoop
from services.edge.usecases import rung_wait

COMING: dict[str, Any] = {"codecs_to_come": ("H264",)}
H264_RUNG = msgspec.structs.replace(rung(360, 500_000, "H264"), track=TrackId("v0.360p.h264"))
OFFER = "\r\n".join(WHEP_OFFER.splitlines()) + "\r\n"
PATIENT_S = RUNG_WAIT_S + 3
Scenario = Callable[[World], Awaitable[None]]


def in_virtual_time(scenario: Scenario) -> None:
    """An edge with a VP8 stream at origin-1, and a transcoder that has announced nothing yet."""

    async def run() -> None:
        world = await World().start()
        try:
            await world.parent("origin-1")
            await world.parent("transcoder-1", H264_RUNG)
            await world.live()
            await scenario(world)
            await world.settle()
            assert len(world.edge.start.rungs._places) == 0
        finally:
            await world.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


def only(codec: str, description: str) -> str:
    """A description whose video lines have no other codec."""
    head, *sections = description.removesuffix("\r\n").split("\r\nm=")
    return "\r\nm=".join([head, *(_section(codec, text) for text in sections)]) + "\r\n"


def _section(codec: str, text: str) -> str:
    m_line, *lines = text.split("\r\n")
    if not m_line.startswith("video"):
        return text
    maps = (line.removeprefix("a=rtpmap:").split(" ") for line in lines if line.startswith("a=rtpmap:"))
    kept = [number for number, name in maps if name.startswith(codec)]
    about = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
    lines = [line for line in lines if not line.startswith(about) or line.split(":")[1].split(" ")[0] in kept]
    return "\r\n".join([" ".join([*m_line.split(" ")[:3], *kept]), *lines])


def video_only(offer: str) -> str:
    """Without its other lines."""
    head, *sections = offer.removesuffix("\r\n").split("\r\nm=")
    video = next(section for section in sections if section.startswith("video"))
    mid = video.split("a=mid:")[1].split("\r\n")[0]
    lines = [f"a=group:BUNDLE {mid}" if line.startswith("a=group:") else line for line in head.split("\r\n")]
    return "\r\nm=".join(["\r\n".join(lines), video]) + "\r\n"


def answer_to(offer: str) -> str:
    """What a client says to our offer: everything accepted, receiving."""
    for old, new in {"a=sendonly": "a=recvonly", "a=setup:actpass": "a=setup:active", "a=ice-lite\r\n": ""}.items():
        offer = offer.replace(old, new)
    kept = [line for line in offer.split("\r\n") if not line.startswith(("a=ssrc", "a=msid:", "a=candidate"))]
    return "\r\n".join(kept)


async def elapsed(work: Awaitable[object]) -> float:
    """Virtual seconds that it took, refused or not."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(work, return_exceptions=True)
    return loop.time() - began


def whep(world: World, timeout_s: float = PATIENT_S, client: str = "") -> Awaitable[SessionAnswer]:
    return world.play(sdp_offer=only("H264", OFFER), timeout_s=timeout_s, client=client, **COMING)


def test_a_whep_viewer_is_kept_until_the_rung_is_announced_and_then_takes_it() -> None:
    async def scenario(world: World) -> None:
        join = asyncio.ensure_future(whep(world))
        await asyncio.sleep(1.0)
        assert not join.done()
        assert world.added() == []

        await world.ladder(H264_RUNG)
        answer = await join

        assert " H264/90000" in answer.sdp
        assert [opened.track for opened in world.parents["transcoder-1"].opened] == ["v0.360p.h264"]
        assert {track.source for track in world.added()[0].send} == {feed.source for feed in world.feeds()}

    in_virtual_time(scenario)


def test_a_rung_that_does_not_come_in_time_is_said_and_nothing_is_left() -> None:
    async def scenario(world: World) -> None:
        join = asyncio.ensure_future(whep(world))
        assert RUNG_WAIT_S <= await elapsed(join) < RUNG_WAIT_S + 0.5
        with pytest.raises(RillcastError, match="rendition in H264 that was asked for is not made yet") as refusal:
            await join
        assert (refusal.value.code, refusal.value.retry_after_s) == (ErrorCode.NO_COMMON_CODEC, 2.0)
        assert len(world.edge.viewers) == 0
        assert world.feeds() == []

    in_virtual_time(scenario)


@pytest.mark.parametrize("codecs_to_come", [(), ("VP9",)])
def test_nobody_is_kept_when_no_ladder_will_help(codecs_to_come: tuple[str, ...]) -> None:
    async def scenario(world: World) -> None:
        offer = video_only(only("H264", OFFER))
        join = asyncio.ensure_future(world.play(sdp_offer=offer, codecs_to_come=codecs_to_come))
        assert await elapsed(join) < 0.5
        with pytest.raises(RillcastError, match="no common codec"):
            await join

    in_virtual_time(scenario)


def test_who_has_the_publishers_codec_is_answered_at_once() -> None:
    async def scenario(world: World) -> None:
        assert await elapsed(world.play(sdp_offer=WHEP_OFFER, **COMING)) < 0.5
        assert len(world.added()) == 1

    in_virtual_time(scenario)


def test_our_offer_holds_the_codec_to_come_and_its_answer_waits_for_the_rung() -> None:
    async def scenario(world: World) -> None:
        offer = await world.play(**COMING)
        assert offer.sdp.index(" VP8/90000") < offer.sdp.index(" H264/90000")
        accepting = asyncio.ensure_future(
            world.accept(offer.session, only("H264", answer_to(offer.sdp)), timeout_s=PATIENT_S)
        )
        await asyncio.sleep(1.0)
        assert not accepting.done()

        await world.ladder(H264_RUNG)
        await accepting

        assert len(world.added()) == 1
        assert [opened.track for opened in world.parents["transcoder-1"].opened] == ["v0.360p.h264"]

    in_virtual_time(scenario)


def test_an_answer_with_both_codecs_takes_the_one_that_is_there_whatever_its_order() -> None:
    async def scenario(world: World) -> None:
        offer = await world.play(**COMING)
        answer = answer_to(offer.sdp)
        m_line = next(line for line in answer.split("\r\n") if line.startswith("m=video"))
        *start, vp8, vp8_rtx, h264, h264_rtx = m_line.split(" ")
        swapped = answer.replace(m_line, " ".join([*start, h264, h264_rtx, vp8, vp8_rtx]))

        assert await elapsed(world.accept(offer.session, swapped)) < 0.5

        assert world.added()[0].send[0].payload_type == int(vp8)

    in_virtual_time(scenario)


def test_waiting_ends_with_the_request() -> None:
    async def scenario(world: World) -> None:
        join = asyncio.ensure_future(whep(world, timeout_s=1.0))
        assert await elapsed(join) < RUNG_WAIT_S
        await world.settle()
        assert len(world.edge.viewers) == 0

    in_virtual_time(scenario)


def test_who_leaves_while_waiting_gets_no_session() -> None:
    async def scenario(world: World) -> None:
        offer = await world.play(**COMING)
        accepting = asyncio.ensure_future(
            world.accept(offer.session, only("H264", answer_to(offer.sdp)), timeout_s=PATIENT_S)
        )
        await asyncio.sleep(0.5)
        await world.close(offer.session)
        await world.ladder(H264_RUNG)
        with pytest.raises(RillcastError, match="closed during the join"):
            await accepting
        assert world.added() == []
        assert len(world.edge.viewers) == 0

    in_virtual_time(scenario)


def test_only_so_many_are_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung_wait, "MAX_AWAITING", 2)

    async def scenario(world: World) -> None:
        kept = [asyncio.ensure_future(whep(world)) for _ in range(2)]
        await asyncio.sleep(0.5)
        one_more = asyncio.ensure_future(whep(world))
        assert await elapsed(one_more) < 0.5
        assert isinstance(one_more.exception(), RillcastError)

        await world.ladder(H264_RUNG)
        assert all(answer.sdp for answer in await asyncio.gather(*kept))

    in_virtual_time(scenario)


def test_those_of_one_client_who_wait_leave_places_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung_wait, "MAX_AWAITING", 4)

    async def scenario(world: World) -> None:
        flood = [asyncio.ensure_future(whep(world, client="192.0.2.1")) for _ in range(4)]
        await asyncio.sleep(0.5)
        assert [task.done() for task in flood].count(True) == 2
        other = asyncio.ensure_future(whep(world, client="198.51.100.7"))

        await world.ladder(H264_RUNG)

        assert (await other).sdp
        assert sum(isinstance(one, RillcastError) for one in await asyncio.gather(*flood, return_exceptions=True)) == 2

    in_virtual_time(scenario)


def test_a_stream_without_video_has_nothing_to_come() -> None:
    async def scenario(world: World) -> None:
        await world.live(tracks=(AUDIO,), epoch=2)
        answer = await world.play(**COMING)
        assert "m=video" not in answer.sdp

    in_virtual_time(scenario)


def test_a_codec_that_is_there_is_not_announced_twice() -> None:
    async def scenario(world: World) -> None:
        await world.ladder(H264_RUNG)
        with_hint, without = await world.play(**COMING), await world.play()
        assert with_hint.sdp.count("H264/90000") == without.sdp.count("H264/90000") == 1
        assert VIDEO.codec in with_hint.sdp

    in_virtual_time(scenario)
