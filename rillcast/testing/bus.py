"""A `Bus` inside one process. Messages are encoded and decoded as on the real one; nodes share a `FakeBroker`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from rillcast.contracts.decoding import Undecodable
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.version import PROTOCOL_VERSION
from rillcast.runtime import metrics
from rillcast.runtime.bus import envelope
from rillcast.runtime.bus.envelope import EventDrop
from rillcast.runtime.bus.serving import OVERLOAD, carry_out
from rillcast.runtime.errors import RequestOutcome
from rillcast.runtime.ports import Answer, Event, Request
from rillcast.testing.eventually import within

Serve = Callable[[str, bytes, float, int], Coroutine[Any, Any, bytes]]
"""From subject, body, seconds left and the version in which the asker speaks."""
Result = TypeVar("Result")


@dataclass
class _Listener:
    subject: str
    waiting: asyncio.Queue[tuple[str, bytes]]
    task: asyncio.Task[None]
    owner: FakeBus


@dataclass
class FakeBroker:
    """What NATS is to real buses."""

    servers: dict[str, list[tuple[str, Serve, FakeBus]]] = field(default_factory=lambda: defaultdict(list))
    listeners: list[_Listener] = field(default_factory=list)
    sent: int = 0
    _turn: int = 0

    def pick(self, subject: str) -> tuple[Serve, FakeBus] | None:
        """Who answers: one of those connected, in turn."""
        able = [
            (serve, bus)
            for pattern, serves in self.servers.items()
            if matches(pattern, subject)
            for _, serve, bus in serves
            if bus.connected
        ]
        if not able:
            return None
        self._turn += 1
        return able[self._turn % len(able)]


class FakeBus:
    """See `rillcast.runtime.ports.Bus`. Set `connected` to False for an outage, `stalled` to True for a bus through
    which nothing gets, and `protocol` for a node of version 1, which does not look at versions. `emitted` and
    `requested` hold what was sent through this instance."""

    def __init__(self, broker: FakeBroker | None = None) -> None:
        self.broker = broker or FakeBroker()
        self.protocol = PROTOCOL_VERSION
        self._connected = True
        self._stalled = False
        self._held: list[tuple[str, bytes]] = []
        self._hearing = 1
        self._lost = asyncio.Event()
        self.emitted: list[tuple[str, Any]] = []
        self.requested: list[tuple[str, Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def connected(self) -> bool:
        """Whether the others can be reached."""
        return self._connected

    @connected.setter
    def connected(self, value: bool) -> None:
        if value and not self._connected:
            self._hearing += 1
        self._connected = value
        if not value:
            self._lost.set()
            self._lost = asyncio.Event()

    @property
    def hearing(self) -> int:
        """See `Bus.hearing`."""
        return self._hearing if self._connected and not self._stalled else 0

    @property
    def stalled(self) -> bool:
        """Whether nothing gets through, though the bus is connected. What is emitted meanwhile arrives afterwards."""
        return self._stalled

    @stalled.setter
    def stalled(self, value: bool) -> None:
        if self._stalled and not value:
            self._hearing += 1
        self._stalled = value
        held, self._held = self._held, []
        for subject, body in held:
            self.send(subject, body)

    async def request(
        self, subject: str, message: msgspec.Struct, answer: type[Answer], *, timeout_s: float = 3.0
    ) -> Answer:
        """See `Bus.request`."""
        body = envelope.encode(message)
        self.requested.append((subject, message))
        if not self.connected:
            raise envelope.nobody(subject, "the bus is down", RequestOutcome.DISCONNECTED)
        if self._stalled:
            raise envelope.nobody(subject, "the bus does not answer", RequestOutcome.STALLED)
        found = self.broker.pick(subject)
        if found is None:
            raise envelope.nobody(subject, "nobody listens", RequestOutcome.NOBODY)
        serve, server = found
        task = self._keep(serve(subject, body, timeout_s, self.protocol))
        lost = self._keep(self._lost.wait())
        try:  # the handler goes on when the asker gives up first, as on the real bus
            await asyncio.wait([task, lost], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
        if not self.connected:
            raise envelope.nobody(subject, "the bus went down", RequestOutcome.DISCONNECTED)
        if not task.done():
            raise envelope.nobody(subject, f"nothing came within {timeout_s:g} s", RequestOutcome.TIMEOUT)
        if self.protocol == PROTOCOL_VERSION != server.protocol:
            raise envelope.nobody(subject, envelope.other_version(server.protocol), RequestOutcome.VERSION)
        try:
            return envelope.decode_answer(task.result(), answer)
        except Undecodable as error:
            raise RillcastError(
                ErrorCode.SERVER_ERROR, f"the answer on {envelope.label(subject)} makes no sense"
            ) from error

    async def serve(
        self,
        subject: str,
        request: type[Request],
        handler: Callable[[Request], Awaitable[msgspec.Struct]],
        *,
        queue: str = "",
    ) -> None:
        """See `Bus.serve`."""
        running = 0

        async def serve(asked: str, body: bytes, remaining_s: float, protocol: int) -> bytes:
            nonlocal running
            if running >= envelope.MAX_CONCURRENT:
                return envelope.encode_failure(OVERLOAD)
            running += 1
            try:
                return (await carry_out(asked, body, request, handler, remaining_s, protocol=protocol))[1]
            finally:
                running -= 1

        self.broker.servers[subject].append((queue, serve, self))

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        """See `Bus.emit`."""
        try:
            body = envelope.encode(event)
        except RillcastError:
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.TOO_LARGE).inc()
            return
        if not self.connected:
            metrics.BUS_EVENTS_DROPPED.labels(EventDrop.DISCONNECTED).inc()
            return
        self.emitted.append((subject, event))
        if self._stalled:
            self._held.append((subject, body))
        else:
            self.send(subject, body)

    def send(self, subject: str, body: bytes) -> None:
        """Emit raw bytes, e.g. nonsense."""
        for listener in self.broker.listeners:
            if not matches(listener.subject, subject) or not listener.owner.connected:
                continue
            if listener.owner.protocol == PROTOCOL_VERSION != self.protocol:
                metrics.BUS_EVENTS_DROPPED.labels(EventDrop.VERSION).inc()
            elif not listener.waiting.full():
                listener.waiting.put_nowait((subject, body))
                self.broker.sent += 1

    async def listen(self, subject: str, event: type[Event], handler: Callable[[str, Event], Awaitable[None]]) -> None:
        """See `Bus.listen`."""
        waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(envelope.MAX_WAITING_EVENTS)

        async def run() -> None:
            while True:
                actual, body = await waiting.get()
                try:
                    await handler(actual, envelope.decode(body, event))
                except Undecodable:
                    continue
                except Exception as error:  # noqa: BLE001  as on the real bus, one bad event doesn't end the rest
                    asyncio.get_running_loop().call_exception_handler({"message": "event handler", "exception": error})
                finally:
                    waiting.task_done()

        task = self._keep(run())
        self.broker.listeners.append(_Listener(subject, waiting, task, self))

    async def settle(self) -> None:
        """Wait until every event sent so far has been handled, also those that handlers sent."""
        async with within(5, "every event being handled"):
            seen = -1
            while seen != self.broker.sent:
                seen = self.broker.sent
                for listener in self.broker.listeners:
                    await listener.waiting.join()

    async def close(self) -> None:
        """End everything this instance runs."""
        self.connected = False
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def matches(pattern: str, subject: str) -> bool:
    """NATS subject matching: ``*`` is one token, ``>`` the rest."""
    wanted, got = pattern.split("."), subject.split(".")
    for i, token in enumerate(wanted):
        if token == ">":
            return len(got) > i
        if i >= len(got) or token not in {"*", got[i]}:
            return False
    return len(wanted) == len(got)
