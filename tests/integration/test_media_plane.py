"""The native plane against independent WebRTC peers (aiortc): publisher → plane → relay → plane → viewer."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import av
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol as p
from rillcast.media.plane import NativePlane
from rillcast.media.protocol import PlaneRelay, PlaneSession, SourceId
from rillcast.media.sdp import LocalTransport, SentStream, answer_play, answer_publish, new_transport_credentials
from rillcast.testing.pictures import MovingPicture

ids = itertools.count(1)


class Rig:
    """A plane with its events gathered."""

    def __init__(self, workers: int = 1) -> None:
        self.events: list[p.Event] = []
        self._changed = asyncio.Event()
        config = p.PlaneConfig(workers=workers, media_bind=("127.0.0.1",), relay_bind="127.0.0.1")
        self.plane = NativePlane(config, self._note)

    def _note(self, event: p.Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def wait_for(self, wanted: Callable[[p.Event], bool], timeout_s: float = 10.0) -> p.Event:
        async with asyncio.timeout(timeout_s):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    def local(self, worker: int) -> LocalTransport:
        ufrag, pwd = new_transport_credentials()
        port = self.plane.workers[worker].media_port
        return LocalTransport(
            ufrag=ufrag, pwd=pwd, fingerprint=self.plane.fingerprint, addresses=("127.0.0.1",), port=port
        )


@asynccontextmanager
async def rig(workers: int = 1) -> AsyncIterator[Rig]:
    r = Rig(workers)
    try:
        yield r
    finally:
        r.plane.close()


@asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    pc = RTCPeerConnection()
    try:
        yield pc
    finally:
        await pc.close()


@dataclass(frozen=True)
class Published:
    """A publisher in the plane: its session, the source of each kind, its tracks."""

    session: int
    sources: dict[str, int]
    tracks: tuple[TrackRecord, ...]


async def publish(r: Rig, pc: RTCPeerConnection, worker: int = 0) -> Published:
    """Connects an aiortc publisher."""
    pc.addTrack(MovingPicture())
    pc.addTrack(AudioStreamTrack())
    await pc.setLocalDescription(await pc.createOffer())
    local = r.local(worker)
    n = answer_publish(
        pc.localDescription.sdp, local, allocate_source=lambda: SourceId(next(ids)), video_codecs=("VP8",)
    )
    session = next(ids)
    r.plane.execute(
        p.AddSession(
            session=PlaneSession(session),
            worker=worker,
            dtls=n.dtls,
            extensions=n.extensions,
            recv=n.recv,
            keyframe_interval_ms=2000,
            ice=p.IceParameters(
                local_ufrag=local.ufrag,
                local_pwd=local.pwd,
                remote_ufrag=n.ice_remote.ufrag,
                remote_pwd=n.ice_remote.pwd,
            ),
        )
    )
    await pc.setRemoteDescription(RTCSessionDescription(n.answer_sdp, "answer"))
    return Published(session, {t.kind: t.encodings[0].source for t in n.recv}, n.tracks)


async def view(r: Rig, pc: RTCPeerConnection, published: Published, worker: int = 0) -> int:
    pc.addTransceiver("video", "recvonly")
    pc.addTransceiver("audio", "recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    local = r.local(worker)
    n = answer_play(pc.localDescription.sdp, [SentStream("s", published.tracks)], local)
    session = next(ids)
    send = tuple(
        p.SendTrack(
            **{f: getattr(t, f) for f in t.__struct_fields__ if f != "source"},
            source=SourceId(published.sources[t.kind]),
        )
        for t in n.send
    )
    r.plane.execute(
        p.AddSession(
            session=PlaneSession(session),
            worker=worker,
            dtls=n.dtls,
            extensions=n.extensions,
            send=send,
            ice=p.IceParameters(
                local_ufrag=local.ufrag,
                local_pwd=local.pwd,
                remote_ufrag=n.ice_remote.ufrag,
                remote_pwd=n.ice_remote.pwd,
            ),
        )
    )
    assert n.sdp is not None
    await pc.setRemoteDescription(RTCSessionDescription(n.sdp, "answer"))
    return session


async def frames(pc: RTCPeerConnection, count: int) -> list[float]:
    """Mean grey of the next frames."""
    track = next(t.receiver.track for t in pc.getTransceivers() if t.kind == "video")
    greys: list[float] = []
    async with asyncio.timeout(20):
        while len(greys) < count:
            frame = await track.recv()
            assert isinstance(frame, av.VideoFrame)
            greys.append(float(frame.to_ndarray(format="gray").mean()))
    return greys


def relay(parent: Rig, child: Rig, source: int, track: TrackRecord) -> int:
    """Opens a relay between two planes; returns the child's source."""
    down, up = (base64.b64encode(os.urandom(28)).decode() for _ in range(2))
    ssrc, new = next(ids) + 1000, next(ids)
    parent.plane.execute(
        p.AddRelay(
            relay=PlaneRelay(next(ids)),
            source=SourceId(source),
            ssrc=ssrc,
            payload_type=100,
            srtp_key=down,
            srtcp_key=up,
        )
    )
    child.plane.execute(
        p.AddRelaySource(
            source=SourceId(new),
            worker=0,
            kind=track.kind,
            codec=track.codec,
            clock_rate=track.clock_rate,
            parent=f"127.0.0.1:{parent.plane.workers[0].relay_port}",
            ssrc=ssrc,
            srtp_key=down,
            srtcp_key=up,
        )
    )
    return new


async def test_a_picture_goes_through_one_plane() -> None:
    async with rig() as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        watching = await view(r, viewer, published)
        greys = await frames(viewer, 30)
        assert len({round(g / 8) for g in greys}) > 10, "the picture moves"
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == watching)
        stats = await r.wait_for(
            lambda e: isinstance(e, p.SourceStats) and e.source == published.sources["video"] and e.width > 0
        )
        assert isinstance(stats, p.SourceStats)
        assert (stats.width, stats.height) == (160, 120)


async def test_a_picture_goes_through_a_relay_to_viewers_on_another_plane() -> None:
    async with rig() as origin, rig(workers=2) as edge, peer() as publisher, peer() as first, peer() as second:
        published = await publish(origin, publisher)
        await origin.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        relayed = {t.kind.value: relay(origin, edge, published.sources[t.kind], t) for t in published.tracks}
        below = replace(published, sources=relayed)
        await view(edge, first, below, worker=0)
        await view(edge, second, below, worker=1)
        for viewer in (first, second):
            greys = await frames(viewer, 30)
            assert len({round(g / 8) for g in greys}) > 10


async def test_a_closed_viewer_is_reported_and_its_session_is_gone() -> None:
    async with rig() as r, peer() as publisher:
        published = await publish(r, publisher)
        await r.wait_for(lambda e: isinstance(e, p.SessionMedia) and e.session == published.session)
        async with peer() as viewer:
            watching = await view(r, viewer, published)
            await frames(viewer, 2)
        closed = await r.wait_for(lambda e: isinstance(e, p.SessionClosed) and e.session == watching)
        assert isinstance(closed, p.SessionClosed)
        assert closed.reason == "dtls_closed"


async def test_commands_for_what_the_plane_has_ended_already_do_nothing() -> None:
    async with rig() as r:
        r.plane.execute(p.RemoveSession(session=PlaneSession(7)))
        r.plane.execute(p.SwitchSource(session=PlaneSession(7), track=0, source=None))
        r.plane.execute(p.RemoveRelay(relay=PlaneRelay(7)))
        r.plane.execute(p.RemoveSource(source=SourceId(7)))


async def test_impossible_commands_are_refused_at_once() -> None:
    async with rig() as r:
        with pytest.raises(ValueError, match="source 7: unknown"):
            r.plane.execute(p.RequestKeyframe(source=SourceId(7)))
        with pytest.raises(ValueError, match="worker: 3"):
            r.plane.execute(
                p.AddPushSource(source=SourceId(1), worker=3, kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)
            )
