"""All sockets of this instance together: how many there are, whose node died, and the goodbye when it goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from rillcast.contracts.ids import NodeId
from rillcast.node.background import BackgroundTasks
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.farewell import MOVES_PER_S, Farewell
from services.signaling.websocket.domain.socket_end import SocketEnd

TICK_S = 0.02
ASKED_PER_TURN = 200
"""Sockets that are asked in one turn of the event loop: some hundred microseconds."""


class OpenSocket(Protocol):
    """One client's socket, as seen from here."""

    def send(self, frame: str) -> None:
        """Send a frame soon, without waiting for it."""
        ...

    def close(self, why: SocketEnd) -> None:
        """Close the socket soon, without waiting for it."""
        ...

    def uses(self, node: NodeId) -> bool:
        """Whether one of its sessions is at that node."""
        ...

    def node_gone(self, node: NodeId) -> None:
        """The node died or left."""
        ...


class OpenSockets:
    """One per signaling instance."""

    def __init__(self, tasks: BackgroundTasks, *, drain_timeout_s: float) -> None:
        """`drain_timeout_s`: all the time there is for `drain`."""
        self._tasks = tasks
        self._drain_timeout_s = drain_timeout_s
        self._sockets: set[OpenSocket] = set()
        self._empty = asyncio.Event()
        self.draining = False
        """Once true, sockets that close were sent away: their sessions stay."""

    @property
    def count(self) -> int:
        """How many sockets are open at this instance."""
        return len(self._sockets)

    def add(self, socket: OpenSocket) -> None:
        """A socket has opened. Called once per socket, before `remove`."""
        self._sockets.add(socket)
        self._empty.clear()

    def remove(self, socket: OpenSocket) -> None:
        """A socket is gone. Its sessions were ended or left by then."""
        self._sockets.discard(socket)
        if not self._sockets:
            self._empty.set()

    def node_gone(self, node: NodeId) -> None:
        """A node died or left. Its sessions move at a bounded rate, so that the others can take them."""
        self._tasks.start(self._move(node), "move sessions")

    async def _move(self, node: NodeId) -> None:
        """In small turns: asking twenty thousand sockets at once would hold the event loop for tenths of a second."""
        loop = asyncio.get_running_loop()
        began, moved = loop.time(), 0
        for number, socket in enumerate(list(self._sockets)):
            if number % ASKED_PER_TURN == 0:
                await asyncio.sleep(0)
            if socket in self._sockets and socket.uses(node):
                await asyncio.sleep(max(0.0, began + moved / MOVES_PER_S - loop.time()))
                moved += 1
                socket.node_gone(node)

    async def drain(self) -> None:
        """Ask every client to go elsewhere, spread over time, and close what is still open after that."""
        self.draining = True
        plan = Farewell.of(len(self._sockets), self._drain_timeout_s)
        await self._spread(plan.telling_s, lambda socket: socket.send(replies.SERVER_WILL_STOP))
        if self._sockets:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), plan.leaving_s)
        await self._spread(plan.closing_s, lambda socket: socket.close(SocketEnd.DRAINING))

    async def _spread(self, span_s: float, act: Callable[[OpenSocket], None]) -> None:
        """`act` on every socket, evenly over a time. Nobody is added meanwhile; who leaves is passed over."""
        loop = asyncio.get_running_loop()
        began, everybody, done = loop.time(), list(self._sockets), 0
        while done < len(everybody):
            share = (loop.time() - began + TICK_S) / span_s if span_s > 0 else 1.0
            due = min(len(everybody), int(share * len(everybody)) + 1)
            for socket in everybody[done:due]:
                if socket in self._sockets:
                    act(socket)
            done = due
            if done < len(everybody):
                await asyncio.sleep(TICK_S)
