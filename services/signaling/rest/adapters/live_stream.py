"""The state of the cluster as Server-Sent Events: all of a part of it, and then what changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from starlette.types import Send

from services.signaling import metrics
from services.signaling.rest.adapters import server_sent
from services.signaling.rest.adapters.server_sent import RETRY_MS, Admit, ServerSent
from services.signaling.rest.domain.live_ask import Ask
from services.signaling.rest.usecases.live_channel import LiveListener
from services.signaling.rest.usecases.live_feed import LiveFeed

_SILENCE = b": nothing changes\n\n"


class LiveAnswer(ServerSent[LiveListener]):
    """See `ServerSent`."""

    bye = b"event: end\ndata: {}\n\n"

    def __init__(self, feed: LiveFeed, ask: Ask, client: str, admit: Admit) -> None:
        """`client`: who shares the places of consoles, as `Client.counted_as`."""
        super().__init__(admit)
        self._feed = feed
        self._ask = ask
        self._client = client

    @contextmanager
    def listening(self) -> Iterator[LiveListener]:
        """See `ServerSent.listening`."""
        with self._feed.place(self._client), self._feed.listening(self._ask) as listener:
            yield listener

    def head(self, listener: LiveListener) -> bytes:
        """See `ServerSent.head`."""
        return b"retry: %d\n\n" % RETRY_MS

    async def tell(self, listener: LiveListener, send: Send) -> None:
        """See `ServerSent.tell`."""
        async with aclosing(listener.told(server_sent.PAUSE_S)) as told:
            async for found in told:
                await self.look()
                parts = [b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), json) for kind, seq, json in found]
                await self.send(send, b"".join(parts) or _SILENCE)

    def count_cut(self, reason: str) -> None:
        """See `ServerSent.count_cut`."""
        metrics.CONSOLES_CUT.labels(reason).inc()
