"""Tells waiting sockets, spread over time, when their stream goes live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.node.background import BackgroundTasks
from services.signaling import metrics
from services.signaling.websocket.domain.waiting_list import WaitingList

Tell = Callable[[StreamId], None]


class WaitingRoom:
    """Hears of every changed stream; does nothing for those nobody waits for."""

    def __init__(
        self, waiting: WaitingList, live_by_key: Callable[[str], LiveStream | None], tasks: BackgroundTasks
    ) -> None:
        self._waiting = waiting
        self._live_by_key = live_by_key
        self._tasks = tasks
        self._sockets: dict[int, tuple[Tell, str]] = {}
        self._telling: set[str] = set()

    def enter(self, number: int, tell: Tell, client: str = "") -> None:
        """A socket that may come to wait. `tell` must not block. `client`: see `Client.counted_as`."""
        self._sockets[number] = tell, client

    def leave(self, number: int) -> None:
        """The socket is gone, and waits for nothing any more: `stop` was called for each of its streams."""
        self._sockets.pop(number, None)

    def wait(self, number: int, app: AppName, stream: StreamId) -> None:
        """Tell this socket when the stream is live. Beyond the bound it isn't told and asks again by itself.
        A socket that is gone waits for nothing."""
        key = stream_key(app, stream)
        if (socket := self._sockets.get(number)) is None:
            return
        _, client = socket
        if refused := self._waiting.add(key, number, client):
            metrics.PLACES_REFUSED.labels("waiting", refused).inc()
        metrics.WAITING.set(self._waiting.size)
        if self._live_by_key(key) is not None:
            self.changed(key)

    def stop(self, number: int, app: AppName, stream: StreamId) -> None:
        """This socket waits for the stream no longer. Nothing happens if it did not."""
        self._waiting.remove(stream_key(app, stream), number)
        metrics.WAITING.set(self._waiting.size)

    def changed(self, key: str) -> None:
        """The entry of a stream in the directory changed. Called for every change of every stream, so it is cheap where
        nobody waits."""
        if key in self._telling or not self._waiting.anybody(key) or self._live_by_key(key) is None:
            return
        try:
            self._tasks.start(self._tell_all(key), "tell waiting viewers")
        except RillcastError:
            return  # counted there; the stream's next change tries again
        self._telling.add(key)

    async def _tell_all(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for told in self._waiting.schedule(key):
                await asyncio.sleep(max(0.0, began + told.delay_s - loop.time()))
                live = self._live_by_key(key)
                if live is None or not self._waiting.anybody(key):
                    return
                socket = self._sockets.get(told.waiter)
                if self._waiting.remove(key, told.waiter) and socket is not None:
                    socket[0](live.stream)
        finally:
            self._telling.discard(key)
        self.changed(key)
