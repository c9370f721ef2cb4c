"""A native plane with independent WebRTC peers (aiortc) on it, without a cluster."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import av
import msgspec
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from rillcast.contracts.records import TrackRecord
from rillcast.media import protocol as p
from rillcast.media.plane import NativePlane
from rillcast.media.protocol import PlaneRelay, PlaneSession, SourceId
from rillcast.media.sdp import LocalTransport, SentStream, answer_play, answer_publish, new_transport_credentials
from rillcast.media.sdp.publish import VIDEO_CODECS
from rillcast.testing.eventually import within
from rillcast.testing.pictures import FRAMES_PER_SECOND, MovingPicture

ids = itertools.count(1)


class Rig:
    """A plane with its events gathered."""

    def __init__(self, workers: int = 1, tcp_connections: int = 0, bind: str = "127.0.0.1") -> None:
        self.events: list[p.Event] = []
        self.ice: dict[int, p.IceParameters] = {}
        """Of viewers, by session."""
        self._changed = asyncio.Event()
        self.announced: dict[int, int] = {}
        """Ports that stand in descriptions instead of those of the workers."""
        config = p.PlaneConfig(
            workers=workers, media_bind=(bind,), relay_bind="127.0.0.1", tcp_connections=tcp_connections
        )
        self.plane = NativePlane(config, self._note)

    def _note(self, event: p.Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def wait_for(self, wanted: Callable[[p.Event], bool], timeout_s: float = 30.0) -> p.Event:
        async with within(timeout_s, "the event of the plane"):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    def counted(self, reason: str) -> int:
        """How often the workers last said that this has happened."""
        last = {e.worker: e.counters.get(reason, 0) for e in self.events if isinstance(e, p.WorkerStats)}
        return sum(last.values())

    def local(self, worker: int) -> LocalTransport:
        ufrag, pwd = new_transport_credentials()
        port = self.announced.get(worker, self.plane.workers[worker].media_port)
        return LocalTransport(
            ufrag=ufrag, pwd=pwd, fingerprint=self.plane.fingerprint, addresses=("127.0.0.1",), port=port
        )


@asynccontextmanager
async def rig(workers: int = 1, *, tcp_connections: int = 0, bind: str = "127.0.0.1") -> AsyncIterator[Rig]:
    """`bind`: where clients reach it."""
    r = Rig(workers, tcp_connections, bind)
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
    published, answer = add_publisher(r, pc.localDescription.sdp, worker, video_codecs=("VP8",))
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return published


def add_publisher(
    r: Rig, offer_sdp: str, worker: int = 0, *, video_codecs: Sequence[str] = VIDEO_CODECS
) -> tuple[Published, str]:
    """A session of whoever made the offer, and the answer to it."""
    local = r.local(worker)
    n = answer_publish(offer_sdp, local, allocate_source=lambda: SourceId(next(ids)), video_codecs=video_codecs)
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
    return Published(session, {t.kind: t.encodings[0].source for t in n.recv}, n.tracks), n.answer_sdp


async def view(r: Rig, pc: RTCPeerConnection, published: Published, worker: int = 0, *, start: bool = True) -> int:
    """A session of an aiortc viewer. Unless `start`, the viewer never hears of it, and we begin the handshake."""
    pc.addTransceiver("video", "recvonly")
    pc.addTransceiver("audio", "recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    session, answer = add_viewer(r, pc.localDescription.sdp, published, worker, begins=not start)
    if start:
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return session


def add_viewer(
    r: Rig, offer_sdp: str, published: Published, worker: int = 0, *, begins: bool = False
) -> tuple[int, str]:
    """A session of whoever made the offer, and the answer to it. `begins`: we begin the handshake."""
    local = r.local(worker)
    n = answer_play(offer_sdp, [SentStream("s", published.tracks)], local)
    session = next(ids)
    send = tuple(
        p.SendTrack(
            **{f: getattr(t, f) for f in t.__struct_fields__ if f != "source"},
            source=SourceId(published.sources[t.kind]),
        )
        for t in n.send
    )
    r.ice[session] = p.IceParameters(
        local_ufrag=local.ufrag, local_pwd=local.pwd, remote_ufrag=n.ice_remote.ufrag, remote_pwd=n.ice_remote.pwd
    )
    r.plane.execute(
        p.AddSession(
            session=PlaneSession(session),
            worker=worker,
            dtls=msgspec.structs.replace(n.dtls, role=p.DtlsRole.CLIENT) if begins else n.dtls,
            extensions=n.extensions,
            send=send,
            ice=r.ice[session],
        )
    )
    assert n.sdp is not None
    return session, n.sdp


async def frames(pc: RTCPeerConnection, count: int) -> list[float]:
    """Mean grey of the next frames. On a busy machine there are fewer a second than the publisher means to send."""
    track = next(t.receiver.track for t in pc.getTransceivers() if t.kind == "video")
    greys: list[float] = []
    async with within(20 + 5 * count / FRAMES_PER_SECOND, "so many different pictures"):
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
