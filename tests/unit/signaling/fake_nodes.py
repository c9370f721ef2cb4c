"""The node that signaling runs on, and origins and edges that it asks: fakes on one bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    Ack,
    AnswerRequest,
    CloseAnswer,
    CloseRequest,
    DescribeRequest,
    MuteRequest,
    NodeInfo,
    NodeLoad,
    PlayRequest,
    PublishRequest,
    ReofferRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
    SessionAnswer,
    SessionChanged,
    TurnAwayRequest,
)
from rillcast.contracts.permissions import Journal as JournalRow
from rillcast.contracts.permissions import Queue
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.ports import Journal, KeyValue, WorkQueue
from rillcast.runtime.process.readiness import Readiness
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.journal import FakeJournal
from rillcast.testing.kv import FakeKeyValue
from rillcast.testing.queue import FakeQueue

LIVE = AppName("live")
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
ANSWER = OFFER.replace("o=- 1", "o=- 2")


class FakeHost:
    """Stands in for `Node`."""

    def __init__(self, broker: FakeBroker) -> None:
        self.bus = FakeBus(broker)
        self.clock = FakeClock()
        """Of the store and the directory: nobody renews a record or a report here, and none expires."""
        self.directory = NodeDirectory(clock=self.clock)
        self.readiness = Readiness()
        self.loop_lag_s = 0.0
        self.info = msgspec.structs.replace(info("signaling-1", NodeKind.SIGNALING), http_address="127.0.0.1:5080")
        self.buckets: dict[str, FakeKeyValue] = {}
        self.queues: dict[str, FakeQueue] = {}
        self.journals: dict[str, FakeJournal] = {}
        self.drain_hooks: list[Callable[[], Awaitable[None]]] = []
        self.load = NodeLoad()
        self._tasks: list[asyncio.Task[None]] = []

    async def kv(self, bucket: str, ttl_s: float | None = None) -> KeyValue:
        return self.buckets.setdefault(bucket, FakeKeyValue(bucket, ttl_s, self.clock))

    async def queue(self, row: Queue) -> WorkQueue:
        return self.queues.setdefault(row.name, FakeQueue(row))

    def journal(self, row: JournalRow) -> Journal:
        return self.journals.setdefault(row.name, FakeJournal(row))

    def spawn(self, coroutine: Coroutine[None, None, None], name: str) -> object:
        self._tasks.append(asyncio.create_task(coroutine, name=name))
        return self._tasks[-1]

    def on_drain(self, hook: Callable[[], Awaitable[None]]) -> None:
        self.drain_hooks.append(hook)

    def report_load(self, load: NodeLoad) -> None:
        self.load = load

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bus.close()


class FakeMediaNode:
    """An origin or edge: answers what it is asked and remembers it. Set `refusal` to make it refuse."""

    def __init__(self, name: str, kind: NodeKind, broker: FakeBroker) -> None:
        self.name, self.kind = NodeId(name), kind
        self.bus = FakeBus(broker)
        self.refusal: RillcastError | None = None
        self.held: asyncio.Event | None = None
        """When set, opening waits for it."""
        self.restored = False
        self.published: list[PublishRequest] = []
        self.moved_in: list[PublishRequest] = []
        self.played: list[PlayRequest] = []
        self.answers: list[AnswerRequest] = []
        self.closed: list[CloseRequest] = []
        self.reoffered: list[ReofferRequest] = []
        self.newcomers: set[StreamId] = set()
        """Streams for which somebody waits here."""
        self.sessions: set[SessionId] = set()
        """Those that are open here."""
        self.selected: list[SelectRendition] = []
        self.muted: list[MuteRequest] = []
        self.described: list[DescribeRequest] = []

    async def start(self) -> None:
        bus, name = self.bus, self.name
        await bus.serve(subjects.origin_publish(name), PublishRequest, self._publish)
        await bus.serve(subjects.origin_move_in(name), PublishRequest, self._move_in)
        await bus.serve(subjects.origin_accept(name), AnswerRequest, self._accept)
        await bus.serve(subjects.origin_reoffer(name), ReofferRequest, self._reoffer)
        await bus.serve(subjects.origin_describe(name), DescribeRequest, self._remember(self.described))
        await bus.serve(subjects.origin_turn_away(name), TurnAwayRequest, self._turn_away)
        await bus.serve(subjects.edge_play(name), PlayRequest, self._play)
        await bus.serve(subjects.edge_accept(name), AnswerRequest, self._accept)
        await bus.serve(subjects.edge_select(name), SelectRendition, self._remember(self.selected))
        await bus.serve(subjects.session_mute(name), MuteRequest, self._remember(self.muted))
        await bus.serve(subjects.session_close(self.kind, name), CloseRequest, self._close)
        await bus.serve(subjects.session_restart_ice(self.kind, name), RestartIceRequest, self._restart)

    async def tell(self, session: SessionId, **fields: Any) -> None:
        """Emit an event about a session."""
        event = SessionChanged(session=session, node=self.name, **fields)
        await self.bus.emit(subjects.session_changed(NodeId("signaling-1")), event)

    async def _publish(self, request: PublishRequest) -> SessionAnswer:
        self.published.append(request)
        return await self._opened(request.session, ANSWER)

    async def _move_in(self, request: PublishRequest) -> SessionAnswer:
        self.moved_in.append(request)
        return await self._opened(request.session, OFFER)

    async def _play(self, request: PlayRequest) -> SessionAnswer:
        self.played.append(request)
        return await self._opened(request.session, OFFER if request.sdp_offer is None else ANSWER)

    async def _opened(self, session: SessionId, sdp: str) -> SessionAnswer:
        if self.held is not None:
            await self.held.wait()
        if self.refusal is not None:
            raise self.refusal
        self.sessions.add(session)
        return SessionAnswer(
            session=session, node=self.name, sdp=sdp, id_mapping={"0": "ARDAMSvs1"}, restored=self.restored
        )

    async def _accept(self, request: AnswerRequest) -> Ack:
        self.answers.append(request)
        if "broken" in request.sdp_answer:
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "that is no answer")
        return Ack()

    async def _close(self, request: CloseRequest) -> CloseAnswer:
        self.closed.append(request)
        found = request.session in self.sessions
        self.sessions.discard(request.session)
        return CloseAnswer(found=found)

    async def _reoffer(self, request: ReofferRequest) -> SessionAnswer:
        self.reoffered.append(request)
        if "broken" in request.sdp_offer:
            raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "no other change")
        return SessionAnswer(session=request.session, node=self.name, sdp=ANSWER)

    async def _turn_away(self, request: TurnAwayRequest) -> CloseAnswer:
        found = request.stream in self.newcomers
        self.newcomers.discard(request.stream)
        return CloseAnswer(found=found)

    async def _restart(self, request: RestartIceRequest) -> RestartIceAnswer:
        candidate = "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host"
        return RestartIceAnswer(local_ufrag="newufrag", local_pwd="n" * 24, candidates=(candidate,))

    @staticmethod
    def _remember(where: list[Any]) -> Callable[[Any], Awaitable[Ack]]:
        async def handle(request: Any) -> Ack:
            where.append(request)
            return Ack()

        return handle


def info(name: str, kind: NodeKind) -> NodeInfo:
    return NodeInfo(
        node=NodeId(name),
        kind=kind,
        version="1",
        admin_address="127.0.0.1:9100",
        relay_address="192.0.2.7" if kind is not NodeKind.SIGNALING else "",
        incarnation=f"{name}-{time.time_ns()}" if kind is NodeKind.SIGNALING else name,
    )
