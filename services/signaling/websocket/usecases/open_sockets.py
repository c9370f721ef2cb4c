"""All sockets of this instance together: how many there are, whose node died, and the goodbye when it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Protocol

from rillcast.cluster.shares import HalfOpen, in_turns
from rillcast.contracts.ids import NodeId
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry.tracing import tracer
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.farewell import MOVES_PER_S, Farewell
from services.signaling.websocket.domain.socket_end import SocketEnd

TICK_S = 0.02
IDLE_S = 60.0
"""Who has been there for so long, and is idle, gives way to anybody. A page opens its socket when somebody is about to
play, and opens it anew when it is closed: if it gave way at once, pages would push each other out."""
LOOKS = 64
"""Sockets that are looked at for one that comes when there are as many as may be."""
ASKED_PER_TURN = 200
"""Sockets that are asked in one turn of the event loop: some hundred microseconds."""
DONE_PER_TURN = 50
"""Sockets that are told something, or closed, in one turn: what follows from each takes a tenth of a millisecond."""
SPAN = "signaling.node_gone"
"""From the first socket that a node's end concerned to the last one. What is asked for them is below it."""


class OpenSocket(Protocol):
    """One client's socket, as seen from here."""

    def send(self, frame: str) -> None:
        """Send a frame soon, without waiting for it."""
        ...

    def close(self, why: SocketEnd) -> None:
        """Close the socket soon, without waiting for it."""
        ...

    @property
    def idle(self) -> bool:
        """Whether it has no session, waits for no stream, and has asked for nothing that is not answered."""
        ...

    @property
    def sessionless(self) -> bool:
        """The same of a socket that perhaps waits for streams."""
        ...

    def uses(self, node: NodeId) -> bool:
        """Whether one of its sessions is at that node."""
        ...

    def node_gone(self, node: NodeId, since: float) -> None:
        """The node died or left. `since`: when that was known, in seconds of the loop."""
        ...


class OpenSockets:
    """One per signaling instance."""

    def __init__(self, tasks: BackgroundTasks, *, drain_timeout_s: float) -> None:
        """`drain_timeout_s`: all the time there is for `drain`."""
        self._tasks = tasks
        self._tracer = tracer("rillcast.signaling")
        self._drain_timeout_s = drain_timeout_s
        self._sockets: dict[OpenSocket, str] = {}
        """With what each counts as."""
        self._perhaps_idle: HalfOpen[OpenSocket] = HalfOpen(IDLE_S)
        self._busy: dict[OpenSocket, None] = {}
        """Those that were not idle when they were looked at, the one looked at longest ago first."""
        self._leaving: set[OpenSocket] = set()
        """Those that give way and are not gone yet."""
        self._empty = asyncio.Event()
        self.draining = False
        """Once true, sockets that close were sent away: their sessions stay."""

    @property
    def count(self) -> int:
        """How many sockets are open at this instance."""
        return len(self._sockets)

    def add(self, socket: OpenSocket, client: str = "") -> None:
        """A socket has opened. Called once per socket, before `remove`. `client`: see `Client.counted_as`."""
        self._sockets[socket] = client
        self._perhaps_idle.add(socket, client, _now())
        self._empty.clear()

    def remove(self, socket: OpenSocket) -> None:
        """A socket is gone. Its sessions were ended or left by then."""
        self._sockets.pop(socket, None)
        self._perhaps_idle.drop(socket)
        self._busy.pop(socket, None)
        self._leaving.discard(socket)
        if not self._sockets:
            self._empty.set()

    def room(self, most: int, client: str) -> bool:
        """Whether one more may open, of `most`. If they are as many already, one gives way by the rule of `HalfOpen`:
        of a client that has more, one without a session; else one that has been idle for `IDLE_S`. What is looked at is
        bounded, so a busy instance may refuse although one is idle somewhere."""
        if len(self._sockets) - len(self._leaving) < most:
            return True
        self._look_again()
        for _ in range(LOOKS):
            greedier = self._perhaps_idle.has_greedier(client)
            socket = self._perhaps_idle.gives_way(client, _now())
            if socket is None:
                return False
            self._perhaps_idle.drop(socket)
            if socket.sessionless if greedier else socket.idle:
                self._leaving.add(socket)
                socket.close(SocketEnd.GAVE_WAY)
                return True
            self._busy[socket] = None
        return False

    def _look_again(self) -> None:
        for socket in [one for one, _ in zip(self._busy, range(LOOKS), strict=False)]:
            del self._busy[socket]
            if socket.sessionless:
                self._perhaps_idle.add(socket, self._sockets[socket], _now())
            else:
                self._busy[socket] = None

    def node_gone(self, node: NodeId) -> None:
        """A node died or left. Its sessions move at a bounded rate, so that the others can take them."""
        self._tasks.start(self._move(node), "move sessions")

    async def _move(self, node: NodeId) -> None:
        """In small turns: asking twenty thousand sockets at once would hold the event loop for tenths of a second.
        Addresses take turns as well. All that comes of it is one trace."""
        loop = asyncio.get_running_loop()
        began, moved = loop.time(), 0
        with ExitStack() as stack:
            span = None
            for number, socket in enumerate(in_turns(self._sockets.items())):
                if number % ASKED_PER_TURN == 0:
                    await asyncio.sleep(0)
                if socket in self._sockets and socket.uses(node):
                    await asyncio.sleep(max(0.0, began + moved / MOVES_PER_S - loop.time()))
                    if span is None:
                        gone = self._tracer.start_as_current_span(SPAN, attributes={"rillcast.node": node})
                        span = stack.enter_context(gone)
                    moved += 1
                    socket.node_gone(node, began)
            if span is not None:
                span.set_attribute("rillcast.moved", moved)

    async def drain(self) -> None:
        """Ask every client to go elsewhere, spread over time, and close what is still open after that."""
        self.draining = True
        plan = Farewell.of(len(self._sockets), self._drain_timeout_s)
        await self._spread(plan.telling_s, lambda socket: socket.send(replies.SERVER_WILL_STOP))
        if self._sockets:
            with suppress(TimeoutError):
                async with asyncio.timeout(plan.leaving_s):
                    await self._empty.wait()
        await self._spread(plan.closing_s, lambda socket: socket.close(SocketEnd.DRAINING))

    async def _spread(self, span_s: float, act: Callable[[OpenSocket], None]) -> None:
        """`act` on every socket, evenly over a time, and in small turns where the loop is late. Nobody is added
        meanwhile; who leaves is passed over."""
        loop = asyncio.get_running_loop()
        began, everybody, done = loop.time(), list(self._sockets), 0
        while done < len(everybody):
            share = (loop.time() - began + TICK_S) / span_s if span_s > 0 else 1.0
            due = min(len(everybody), int(share * len(everybody)) + 1)
            for socket in everybody[done : min(due, done + DONE_PER_TURN)]:
                done += 1
                if socket in self._sockets:
                    act(socket)
            if done < len(everybody):
                await asyncio.sleep(TICK_S if done == due else 0)


def _now() -> float:
    return asyncio.get_running_loop().time()
