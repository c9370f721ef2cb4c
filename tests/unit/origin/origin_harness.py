"""Origins on fakes that share a bus, a store and a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, RelayId, SessionId, StreamId, TrackId, new_session_id, stream_key
from rillcast.contracts.messages import (
    CloseAnswer,
    CloseRequest,
    NodeInfo,
    PublishRequest,
    RelayAnswer,
    RelayGrant,
    RelayOpen,
    SessionAnswer,
    SessionChanged,
    StreamEvent,
)
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.words import EndReason, NodeKind
from rillcast.media import protocol
from rillcast.media.protocol import SourceId
from rillcast.node.events import PlaneEvents
from rillcast.node.media_node import MediaNode
from rillcast.runtime.ports import Entry
from rillcast.runtime.process.departure import Departure
from rillcast.testing.associations import AssociatingPlane, KnownNodes
from rillcast.testing.bus import FakeBroker, FakeBus, Serve
from rillcast.testing.clock import FakeClock
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.relay_keys import PlainRelayKeys
from services.origin.app import Origin
from services.origin.config import OriginSettings
from services.origin.usecases.backup_wishes import BackupWishes

VECTORS = Path(__file__).parents[2] / "vectors" / "sdp"
OFFER = (VECTORS / "chromium-156-publish.sdp").read_text()
H264_OFFER = (VECTORS / "chromium-156-publish-h264.sdp").read_text()
SIMULCAST_OFFER = (VECTORS / "chromium-156-publish-simulcast.sdp").read_text()
APP, STREAM = AppName("live"), StreamId("s1")
KEY = stream_key(APP, STREAM)
SIGNALING = NodeId("sig-1")


class Store(FakeKeyValue):
    """The streams bucket. `slow`: writes happen, and their answers come when it is set; `lose_next_answer`: the next
    write happens, and its answer never comes; `answer_s`: how long every answer takes."""

    answer_s = 0.0
    slow: asyncio.Event | None = None
    reached: asyncio.Event | None = None
    lose_next_answer = False

    async def get(self, key: str) -> Entry | None:
        entry = await super().get(key)
        await self._take_time()
        return entry

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        written = await super().update(key, value, revision)
        await self._take_time()
        return written

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        gone = await super().delete(key, revision)
        await self._take_time()
        return gone

    async def create(self, key: str, value: bytes) -> int | None:
        revision = await super().create(key, value)
        await self._take_time()
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the answer got lost", 1.0)
        if self.slow is not None and self.reached is not None:
            self.reached.set()
            await self.slow.wait()
        return revision

    async def _take_time(self) -> None:
        if self.answer_s:
            await asyncio.sleep(self.answer_s)


class Plane(AssociatingPlane):
    """Refuses commands of one kind, as a plane that is behind does."""

    refused: type[protocol.Command] | None = None

    def execute(self, command: protocol.Command) -> None:
        if self.refused is not None and isinstance(command, self.refused):
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "the media plane is behind", 1.0)
        super().execute(command)


class RunningOrigin:
    """One origin with what it stands on."""

    def __init__(self, world: World, name: str, workers: int, **settings: Any) -> None:
        self.name = NodeId(name)
        self._broker = world.broker
        self.bus = FakeBus(world.broker)
        self.frozen: FakeBus | None = None
        self.plane = Plane(workers)
        events = PlaneEvents()
        self.plane.on_event = events
        info = NodeInfo(
            node=self.name,
            kind=NodeKind.ORIGIN,
            version="1",
            admin_address="127.0.0.1:1",
            media_addresses=("192.0.2.1",),
            relay_address="192.0.2.1",
            incarnation=name,
        )
        read = OriginSettings(node_id=name, **settings)
        self.media_node = MediaNode(
            read,
            info,
            plane=self.plane,
            events=events,
            bus=self.bus,
            streams=world.streams,
            renditions=world.renditions,
            relay_keys=PlainRelayKeys(),
            identity=world.known.join(self.name, NodeKind.ORIGIN),
            known=world.known.get,
            clock=world.clock,
        )
        self.origin = Origin(read, self.media_node, BackupWishes(world.apps, world.broadcasts))
        self.drain_timeout_s = read.drain_timeout_s
        self.task: asyncio.Task[None] | None = None
        self._hand_over: Serve = _never

    async def start(self) -> None:
        """Serve requests, and run."""
        await self.origin.serve()
        ((_, self._hand_over, _),) = self._broker.servers[subjects.origin_hand_over(self.name)][-1:]
        self.task = asyncio.create_task(self.media_node.run())

    async def drain(self) -> None:
        """As SIGTERM does, up to the moment the plane is closed."""
        self.media_node.draining = True
        departure = Departure(self.drain_timeout_s, ending=True, elsewhere=lambda: True, clock=self._loop_time)
        await self.origin.leaving.leave(departure)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    async def kill(self) -> None:
        """As kill -9 would: nothing is said to anybody."""
        self.bus.connected = False
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait((self.task,))

    async def freeze(self) -> None:
        """As SIGSTOP would: its subjects are subscribed still, and nobody answers them."""
        await self.kill()
        self.frozen = FakeBus(self._broker)
        self._broker.servers[subjects.origin_hand_over(self.name)].append(("", _never, self.frozen))

    def hear_hand_overs(self, hears: bool) -> None:
        """Whether it answers other origins, or lets them wait."""
        serving = self._broker.servers[subjects.origin_hand_over(self.name)]
        serving[:] = [("", self._hand_over if hears else _never, self.bus)]

    def living_sources(self) -> list[SourceId]:
        """Those that viewers and relays have."""
        return [source for owned in self.origin.owner._streams for source in owned.stream.sources.values()]

    def nothing_is_left(self) -> bool:
        """Whether neither this origin nor its plane has anything of any publisher."""
        owner, webrtc = self.origin.owner, self.origin.webrtc
        tables: tuple[Sized, ...] = (
            *(owner._streams, owner._newcomers, owner._newcomers.looking, owner._locks, owner._asked),
            *(webrtc._sessions, webrtc._by_plane),
        )
        made = {e.source for a in self.plane.of(protocol.AddSession) for track in a.recv for e in track.encodings}
        adopted = {feed.from_source for command in self.plane.of(protocol.AdoptFeeds) for feed in command.feeds}
        removed = {command.source for command in self.plane.of(protocol.RemoveSource)}
        load = self.media_node.load
        return not (any(map(len, tables)) or load.sessions or load._of) and made == adopted | removed

    def last_session(self) -> protocol.AddSession:
        return self.plane.of(protocol.AddSession)[-1]

    def sources(self) -> list[SourceId]:
        return [e.source for track in self.last_session().recv for e in track.encodings]

    def media(self) -> None:
        """The publisher's first packet."""
        session = self.last_session().session
        self.plane.emit(protocol.SessionConnected(session=session, remote="", dtls="", srtp=""))
        self.plane.emit(protocol.SessionMedia(session=session))

    def late_media(self, answer: SessionAnswer) -> None:
        """The first packet of a session that is not the last one."""
        (number,) = (n for n, s in self.origin.webrtc._by_plane.items() if s.publisher.session == answer.session)
        self.plane.emit(protocol.SessionMedia(session=number))

    def source_stats(self, source: SourceId, *, silent_ms: int = 0, **figures: Any) -> None:
        base = {
            "bitrate_bps": 0,
            "packets": 1,
            "lost": 0,
            "recovered": 0,
            "keyframes": 1,
            "frames_per_second": 30.0,
            "width": 0,
            "height": 0,
            "consumers": 0,
        }
        self.plane.emit(protocol.SourceStats(source=source, silent_ms=silent_ms, **{**base, **figures}))

    def session_stats(self, session: protocol.PlaneSession, *, bytes_received: int) -> None:
        self.plane.emit(
            protocol.SessionStats(
                session=session,
                packets_sent=0,
                bytes_sent=0,
                packets_received=1,
                bytes_received=bytes_received,
                estimate_bps=0,
                fraction_lost=0.0,
                rtt_ms=0.0,
                jitter_ms=0.0,
                nacks=0,
                repaired=0,
                dropped=0,
                video_bps=0,
                audio_bps=0,
            )
        )


class World:
    """What the origins share, and the asking side."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.turned = FakeClock()
        self.clock = clock or self.turned
        self.broker = FakeBroker()
        self.known = KnownNodes()
        self.bus = FakeBus(self.broker)
        self.streams = Store("streams", subjects.STREAM_LEASE_S, self.clock)
        self.renditions = FakeKeyValue("renditions", subjects.STREAM_LEASE_S, self.clock)
        self.apps = FakeKeyValue("apps", None, self.clock)
        self.broadcasts = FakeKeyValue("broadcasts", None, self.clock)
        self.origins: list[RunningOrigin] = []
        self.changes: list[SessionChanged] = []
        self.events: list[tuple[str, StreamEvent]] = []

    async def start(self) -> None:
        await self.bus.listen(subjects.session_changed(SIGNALING), SessionChanged, self._changed)
        await self.bus.listen(f"{subjects.PREFIX}.stream.>", StreamEvent, self._event)

    async def origin(self, name: str = "origin-1", workers: int = 1, **settings: Any) -> RunningOrigin:
        running = RunningOrigin(self, name, workers, **settings)
        await running.start()
        self.origins.append(running)
        return running

    async def stop(self) -> None:
        for running in self.origins:
            await running.kill()
            await running.bus.close()
            if running.frozen is not None:
                await running.frozen.close()
        await self.bus.close()

    async def publish(self, at: RunningOrigin, **changes: Any) -> SessionAnswer:
        return await self.bus.request(subjects.origin_publish(at.name), request(**changes), SessionAnswer)

    async def go_live(self, at: RunningOrigin, **changes: Any) -> SessionAnswer:
        """Publish, and bring the media. Returns when the session has the stream."""
        answer = await self.publish(at, **changes)
        at.media()
        await until(lambda: ("media", None) in self.told(answer.session))
        return answer

    async def close(
        self, at: RunningOrigin, session: SessionId, keep_s: float = 0.0, reason: EndReason = EndReason.STOPPED
    ) -> bool:
        """Whether the origin had the session."""
        close = CloseRequest(session=session, reason=reason, keep_stream_s=keep_s)
        return (await self.bus.request(subjects.session_close(NodeKind.ORIGIN, at.name), close, CloseAnswer)).found

    async def open_relay(self, at: RunningOrigin, **changes: Any) -> RelayGrant:
        record = await self.record()
        assert record is not None
        fields: dict[str, Any] = {"track": TrackId("v0"), "claim": record.claim, "child": NodeId("edge-1"), **changes}
        opening = RelayOpen(
            app=APP, stream=STREAM, relay=RelayId(new_session_id()), child_address="192.0.2.9:51000", **fields
        )
        answer = await self.bus.request(subjects.media_relay_open(at.name), opening, RelayAnswer)
        assert answer.grant is not None
        return answer.grant

    async def record(self) -> StreamRecord | None:
        """The stored record, once the owner's epoch is in it."""
        entry = await self.streams.get(KEY)
        if entry is None or entry.value is None:
            return None
        return msgspec.json.decode(entry.value, type=StreamRecord)

    async def settled_record(self) -> StreamRecord:
        await until(lambda: self._epoch_of() > 0)
        record = await self.record()
        assert record is not None
        return record

    def _epoch_of(self) -> int:
        values = [value for key, value in self.streams.writes if key == KEY]
        if not values or values[-1] is None:
            return 0
        return msgspec.json.decode(values[-1], type=StreamRecord).epoch

    async def pass_time(self, seconds: float, step_s: float = 0.5) -> None:
        """Let fake time go by, in steps everybody gets to act in."""
        while seconds > 0:
            self.turned.advance(min(step_s, seconds))
            seconds -= step_s
            for running in self.origins:
                running.origin.owner.tick()
                running.origin.living.tick()
                running.origin.backups.tick()
                for owned in running.origin.owner._streams:
                    owned.hold._keeper._hurried.set()
            await self.settle()

    @contextmanager
    def slow_store(self) -> Iterator[asyncio.Event]:
        """Claims take until the block is left. The event: somebody has written."""
        self.streams.slow, self.streams.reached = asyncio.Event(), asyncio.Event()
        try:
            yield self.streams.reached
        finally:
            self.streams.slow.set()
            self.streams.slow = None

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        await self.bus.settle()

    def told(self, session: SessionId) -> list[tuple[str | None, str | None]]:
        return [(c.state, c.reason) for c in self.changes if c.session == session]

    def announced(self) -> list[str]:
        return [subject.rsplit(".", 1)[-1] for subject, _ in self.events]

    async def _changed(self, _subject: str, change: SessionChanged) -> None:
        self.changes.append(change)

    async def _event(self, subject: str, event: StreamEvent) -> None:
        self.events.append((subject, event))


async def _never(_subject: str, _body: bytes, _remaining_s: float, _protocol: int) -> bytes:
    await asyncio.Event().wait()
    return b""


def request(**changes: Any) -> PublishRequest:
    fields: dict[str, Any] = {
        "app": APP,
        "stream": STREAM,
        "session": new_session_id(),
        "signaling": SIGNALING,
        "sdp_offer": OFFER,
        "credential_digest": "mine",
        "has_credentials": True,
        **changes,
    }
    return PublishRequest(**fields)


async def until(condition: Any, timeout_s: float = 5.0) -> None:
    """Wait for something to become true."""
    await eventually(condition, timeout_s, every_s=0.001)
