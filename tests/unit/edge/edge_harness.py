"""One edge on fakes, with scripted relay parents and a stream written straight into the store."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any, Protocol

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId, SessionId, StreamId, TrackId, new_session_id, stream_key
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
    NodeInfo,
    PlayRequest,
    PlaySubscription,
    RelayAnswer,
    RelayClose,
    RelayGrant,
    RelayOpen,
    SessionAnswer,
    SessionChanged,
    StreamEvent,
)
from rillcast.contracts.records import RenditionRecord, StreamRecord, TrackRecord
from rillcast.contracts.words import EndReason, MediaKind, NodeKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SourceId
from rillcast.node.events import PlaneEvents
from rillcast.node.media_node import MediaNode
from rillcast.runtime.process.departure import Departure
from rillcast.testing.associations import KnownNodes
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys
from services.edge.app import Edge
from services.edge.config import EdgeSettings

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"
WHEP_OFFER = (VECTORS / "chromium-156-play.sdp").read_text()
APP, STREAM = AppName("live"), StreamId("s1")
KEY = stream_key(APP, STREAM)
SIGNALING = NodeId("sig-1")
EDGE = NodeId("edge-1")

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000, height=720)
AUDIO = TrackRecord(track=TrackId("a0"), mid="a0", kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000, channels=2)
WIDE_BPS = 100_000_000
KEY_TEXT = base64.b64encode(bytes(28)).decode()


def rung(height: int, bitrate_bps: int, codec: str = "VP8") -> TrackRecord:
    """A ladder rung of the video."""
    return TrackRecord(
        track=TrackId(f"v0.{height}p"),
        mid="v0",
        kind=MediaKind.VIDEO,
        codec=codec,
        clock_rate=90_000,
        height=height,
        bitrate_bps=bitrate_bps,
    )


class Begin(Protocol):
    """The `begin` fixture: makes an edge with these settings."""

    async def __call__(self, workers: int = 1, **settings: Any) -> World: ...


class Parent:
    """A node that grants relays as told. `opened` holds what it was asked for."""

    def __init__(self, broker: FakeBroker, name: str, tracks: tuple[TrackRecord, ...]) -> None:
        self.name = NodeId(name)
        self.bus = FakeBus(broker)
        self.tracks = {track.track: track for track in tracks}
        self.opened: list[RelayOpen] = []
        self.closed: list[RelayClose] = []
        self.refusal: RillcastError | None = None
        self.gate: asyncio.Event | None = None

    async def start(self) -> Parent:
        await self.bus.serve(subjects.media_relay_open(self.name), RelayOpen, self._open)
        await self.bus.serve(subjects.media_relay_close(self.name), RelayClose, self._close)
        return self

    async def _open(self, request: RelayOpen) -> RelayAnswer:
        self.opened.append(request)
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        if request.track not in self.tracks:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "no such track")
        grant = RelayGrant(
            parent_address="192.0.2.7:51000",
            ssrc=len(self.opened),
            payload_type=96,
            srtp_key=KEY_TEXT,
            srtcp_key=KEY_TEXT,
            claim=request.claim,
            track=self.tracks[request.track],
        )
        return RelayAnswer(grant=grant)

    async def _close(self, request: RelayClose) -> Ack:
        self.closed.append(request)
        return Ack()


def claim_of(epoch: int) -> ClaimId:
    """The claim of an epoch that nobody claimed over, as the records and events of these tests name it."""
    return ClaimId(f"c{epoch}")


class World:
    """The edge and everything around it."""

    def __init__(
        self,
        workers: int = 1,
        *,
        plane: FakePlane | None = None,
        node: NodeId = EDGE,
        broker: FakeBroker | None = None,
        known: KnownNodes | None = None,
        **settings: Any,
    ) -> None:
        """`broker`, `known`: of several edges that hear of each other."""
        self.node = node
        self.clock = FakeClock()
        self.broker = broker or FakeBroker()
        self.bus = FakeBus(self.broker)
        self.edge_bus = FakeBus(self.broker)
        self.streams = FakeKeyValue("streams", None, self.clock)
        self.renditions = FakeKeyValue("renditions", None, self.clock)
        self.plane = plane or FakePlane(workers)
        events = PlaneEvents()
        self.plane.on_event = events
        info = NodeInfo(
            node=node,
            kind=NodeKind.EDGE,
            version="1",
            admin_address="127.0.0.1:1",
            media_addresses=("192.0.2.2",),
            relay_address="192.0.2.2",
            incarnation="1",
        )
        read = EdgeSettings(node_id=node, **{"relay_fill_s": 0.0, **settings})
        self.media = MediaNode(
            read,
            info,
            plane=self.plane,
            events=events,
            bus=self.edge_bus,
            streams=self.streams,
            renditions=self.renditions,
            relay_keys=PlainRelayKeys(),
            identity=known.join(node, NodeKind.EDGE) if known is not None else None,
            known=(known or KnownNodes()).get,
            clock=self.clock,
        )
        self.edge = Edge(read, self.media)
        self.drain_timeout_s = read.drain_timeout_s
        self.changes: list[SessionChanged] = []
        self.parents: dict[str, Parent] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> World:
        await self.bus.listen(subjects.session_changed(SIGNALING), SessionChanged, self._changed)
        await self.edge.serve()
        self._task = asyncio.create_task(self.media.run())
        return self

    @property
    def runs(self) -> bool:
        """Whether the edge's own work goes on."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        for bus in (self.edge_bus, self.bus, *(parent.bus for parent in self.parents.values())):
            await bus.close()

    async def parent(self, name: str, *tracks: TrackRecord) -> Parent:
        self.parents[name] = await Parent(self.broker, name, tracks or (VIDEO, AUDIO)).start()
        return self.parents[name]

    async def live(
        self,
        owner: str = "origin-1",
        *,
        epoch: int = 1,
        since: int = 0,
        tracks: tuple[TrackRecord, ...] = (VIDEO, AUDIO),
        stream: StreamId = STREAM,
        backup: StreamId | None = None,
        longest_s: int = 60,
    ) -> None:
        """Write the stream's record, and wait until the edge has seen it."""
        record = StreamRecord(
            app=APP,
            stream=stream,
            owner=NodeId(owner),
            publisher_session=SessionId("p"),
            tracks=tracks,
            media_flowing=True,
            epoch=epoch,
            claim=claim_of(since or epoch),
            backup=backup,
            backup_longest_s=longest_s if backup is not None else 0,
        )
        await self.streams.put(stream_key(APP, stream), msgspec.json.encode(record))
        await until(lambda: self._knows(record))

    async def ladder(self, *tracks: TrackRecord, epoch: int = 1, owner: str = "transcoder-1") -> None:
        job = RenditionRecord(
            app=APP,
            stream=STREAM,
            epoch=epoch,
            owner=NodeId(owner),
            claim=claim_of(epoch),
            stream_claim=claim_of(epoch),
            tracks=tracks,
        )
        await self.renditions.put(f"{KEY}/{owner}", msgspec.json.encode(job))
        await until(lambda: (live := self.media.watch.get(APP, STREAM)) is not None and job in live.renditions)

    async def vanish(self, stream: StreamId = STREAM) -> None:
        await self.streams.delete(stream_key(APP, stream))
        await until(lambda: self.media.watch.get(APP, stream) is None)

    async def ended(self, epoch: int, owner: str = "origin-1", stream: StreamId = STREAM) -> None:
        event = StreamEvent(app=APP, stream=stream, epoch=epoch, claim=claim_of(epoch), owner=NodeId(owner))
        await self.bus.emit(subjects.STREAM_ENDED, event)
        await self.settle()

    async def whep(self, offer: str = WHEP_OFFER, **changes: Any) -> SessionAnswer:
        return await self.play(sdp_offer=offer, **changes)

    async def play(self, timeout_s: float = 3.0, **changes: Any) -> SessionAnswer:
        subject = subjects.edge_play(self.node)
        return await self.bus.request(subject, request(**changes), SessionAnswer, timeout_s=timeout_s)

    async def accept(self, session: SessionId, answer_sdp: str, timeout_s: float = 3.0) -> None:
        message = AnswerRequest(session=session, sdp_answer=answer_sdp)
        await self.bus.request(subjects.edge_accept(self.node), message, Ack, timeout_s=timeout_s)

    async def close(self, session: SessionId, *, forgotten_by: NodeId | None = None) -> bool:
        """Whether the edge had the session."""
        close = CloseRequest(session=session, reason=EndReason.STOPPED, forgotten_by=forgotten_by)
        return (await self.bus.request(subjects.session_close(NodeKind.EDGE, self.node), close, CloseAnswer)).found

    def connect(self, plane_session: PlaneSession, path_bps: int = WIDE_BPS) -> None:
        """The client is there, and its path takes so much."""
        if any(added.session == plane_session and added.measure_path for added in self.added()):
            self.plane.emit(protocol.PathMeasured(session=plane_session, bitrate_bps=path_bps))
        self.plane.emit(protocol.SessionConnected(session=plane_session, remote="", dtls="", srtp=""))
        self.plane.emit(protocol.SessionMedia(session=plane_session))

    async def watching(self, *, path_bps: int = WIDE_BPS, **changes: Any) -> tuple[SessionId, PlaneSession]:
        """A WHEP viewer with media, whose path takes so much; its ids in the cluster and in the plane. What began with
        it is not among the commands of the plane."""
        answer = await self.whep(**changes)
        plane_session = self.added()[-1].session
        self.connect(plane_session, path_bps)
        await self.settle()
        self.plane.commands = [c for c in self.plane.commands if not isinstance(c, protocol.SwitchSource)]
        return answer.session, plane_session

    def figures(self, plane_session: PlaneSession, *, estimate_bps: int = 0, loss: float = 0.0, **more: Any) -> None:
        base = {
            "packets_sent": 1,
            "bytes_sent": 1,
            "packets_received": 0,
            "bytes_received": 0,
            "rtt_ms": 1.0,
            "jitter_ms": 0.0,
            "nacks": 0,
            "repaired": 0,
            "dropped": 0,
            "video_bps": 1,
            "audio_bps": 0,
        }
        self.plane.emit(
            protocol.SessionStats(
                session=plane_session, estimate_bps=estimate_bps, fraction_lost=loss, **{**base, **more}
            )
        )

    def added(self) -> list[protocol.AddSession]:
        return self.plane.of(protocol.AddSession)

    def feeds(self) -> list[protocol.AddRelaySource]:
        return self.plane.of(protocol.AddRelaySource)

    def source_of(self, track: str) -> SourceId:
        return next(feed.source for feed in self.edge.relays.feeds_of(KEY) if feed.track.track == track)

    def told(self, session: SessionId) -> list[tuple[str | None, str | None]]:
        return [(c.state, c.reason) for c in self.changes if c.session == session and c.state]

    def told_of(self, session: SessionId, subscription: int) -> list[int | EndReason | None]:
        """The heights of one subscription, and the reason of its end."""
        changes = [c for c in self.changes if (c.session, c.subscription) == (session, subscription)]
        return [c.reason if c.stream_height is None else c.stream_height for c in changes]

    def heights(self, session: SessionId) -> list[int]:
        return [c.stream_height for c in self.changes if c.session == session and c.stream_height is not None]

    def tick(self) -> None:
        edge = self.edge
        for part in (edge.backlog, edge.relays, edge.stopped, edge.downstream, edge.sessions, edge.streams):
            part.tick()

    async def pass_time(self, seconds: float, step_s: float = 0.25) -> None:
        while seconds > 0:
            self.clock.advance(min(step_s, seconds))
            seconds -= step_s
            self.tick()
            await self.settle()

    async def drain(self) -> None:
        """As the node does when it goes away."""
        self.media.draining = True
        await self.edge.drain.leave(self.departure())
        await self.settle()

    def departure(self, *, ending: bool = True, elsewhere: bool = True) -> Departure:
        """A drain that begins now."""
        clock = asyncio.get_running_loop().time
        return Departure(self.drain_timeout_s, ending=ending, elsewhere=lambda: elsewhere, clock=clock)

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await self.bus.settle()

    def _knows(self, record: StreamRecord) -> bool:
        live = self.media.watch.get(APP, record.stream)
        return live is not None and live.record == record

    async def _changed(self, _subject: str, change: SessionChanged) -> None:
        self.changes.append(change)


def request(**changes: Any) -> PlayRequest:
    """A play request for one stream, unless `subscriptions` says otherwise."""
    wanted = PlaySubscription(
        app=APP,
        stream=changes.pop("stream", STREAM),
        codecs_to_come=changes.pop("codecs_to_come", ()),
        ladder_codecs=changes.pop("ladder_codecs", ()),
    )
    fields: dict[str, Any] = {
        "subscriptions": (wanted,),
        "session": new_session_id(),
        "signaling": SIGNALING,
        **changes,
    }
    return PlayRequest(**fields)


async def until(condition: Any, timeout_s: float = 5.0) -> None:
    """Wait for something to become true."""
    await eventually(condition, timeout_s, every_s=0.001)
