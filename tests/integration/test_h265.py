"""H.265 through the native plane: pictures of x265 from a publisher whose offer is OBS's and whose packets are made by
hand, over a relay, to a viewer whose offer is Chromium's and who decodes what comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiortc.rtp import RtpPacket
from av.video.frame import VideoFrame

from rillcast.media import protocol as p
from rillcast.testing.eventually import eventually
from rillcast.testing.rtp_peer import RtpPeer
from services.transcoder.domain.h265_payload import H265Payload
from tests.integration.plane_rig import Published, Rig, add_publisher, add_viewer, relay, rig
from tests.unit.transcoder.payload_writers import nal_units
from tests.unit.transcoder.pictures import Camera, bar_position, decode, frames_of

OFFERS = Path(__file__).resolve().parents[1] / "vectors/sdp/offers"
SSRC = 2061430658
"""Of the video in OBS's offer."""
PAYLOAD_TYPE = 49
"""Of Chromium's format."""
EVERY_S, TICKS = 1 / 20, 90_000 // 20
PATIENCE_S = 60.0
VPS, SPS, PPS, IRAP = 32, 33, 34, set(range(16, 22))


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_text()


@asynccontextmanager
async def publishing(r: Rig) -> AsyncIterator[Published]:
    """320×180 at 20 frames/s, with no keyframe but the first one and those that are asked for."""
    peer, camera = RtpPeer(), Camera("H265", 320, 180, ssrc=SSRC)
    try:
        published, answer = add_publisher(r, await peer.offer(offer("obs-hevc")))
        await peer.connect(answer)
        async with peer.filming(lambda wanted: camera.frame(keyframe=wanted, ticks=TICKS), EVERY_S):
            yield published
    finally:
        await peer.close()


@asynccontextmanager
async def watching(r: Rig, published: Published) -> AsyncIterator[RtpPeer]:
    peer = RtpPeer()
    try:
        _, answer = add_viewer(r, await peer.offer(offer("play-chrome-144-h265")), published)
        await peer.connect(answer)
        yield peer
    finally:
        await peer.close()


async def pictures(viewer: RtpPeer, count: int) -> list[VideoFrame]:
    """The first pictures that the viewer decodes."""

    def decoded() -> list[VideoFrame]:
        found = decode("H265", frames_of("H265", viewer.received(PAYLOAD_TYPE)))
        assert len(found) >= count, f"{len(found)} pictures"
        return found

    return await eventually(decoded, PATIENCE_S, f"{count} pictures")


async def test_what_x265_makes_is_seen_behind_a_relay() -> None:
    async with rig() as origin, rig() as edge, publishing(origin) as published:
        assert [track.codec for track in published.tracks] == ["opus", "H265"]
        stats = await origin.wait_for(
            lambda e: isinstance(e, p.SourceStats) and e.source == published.sources["video"] and e.width > 0
        )
        assert isinstance(stats, p.SourceStats)
        assert (stats.width, stats.height) == (320, 180)
        assert stats.keyframes >= 1

        relayed = {t.kind.value: relay(origin, edge, published.sources[t.kind], t) for t in published.tracks}
        async with watching(edge, replace(published, sources=relayed)) as viewer:
            seen = await pictures(viewer, 30)

    assert {(picture.width, picture.height) for picture in seen} == {(320, 180)}
    assert len({round(bar_position(picture), 2) for picture in seen}) > 10, "the picture moves"


async def test_whoever_comes_later_begins_with_the_parameter_sets_of_a_keyframe() -> None:
    """Browsers begin at a packet with a video parameter set, and want all three beside each keyframe."""
    async with rig() as r, publishing(r) as published:
        async with watching(r, published) as first:
            await pictures(first, 15)
        async with watching(r, published) as viewer:
            await pictures(viewer, 15)
            packets = viewer.received(PAYLOAD_TYPE)

    assert VPS in kinds(H265Payload().data(RtpPacket.parse(packets[0]).payload))
    keyframes = [kinds(frame.data) for frame in frames_of("H265", packets) if frame.keyframe]
    assert keyframes
    assert all({VPS, SPS, PPS} < found and found & IRAP for found in keyframes)


def kinds(data: bytes) -> set[int]:
    """The types of the NAL units."""
    return {unit[0] >> 1 & 0x3F for unit in nal_units(data)}
