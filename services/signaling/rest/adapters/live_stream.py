"""The state of the cluster as Server-Sent Events: all of a part of it, and then what changes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rillcast.contracts.errors import RillcastError
from services.signaling import metrics
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.rest.adapters.event_stream import EVENTS, LOOK_S, PAUSE_S, RETRY_MS, SEND_S, Admit
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.domain.live_ask import Ask
from services.signaling.rest.domain.refusal import Refusal, Refused
from services.signaling.rest.usecases.live_channel import LiveListener
from services.signaling.rest.usecases.live_feed import LiveFeed

_BYE = b"event: end\ndata: {}\n\n"
_SILENCE = b": nothing changes\n\n"


class _NotTaken(Exception):
    """The client does not read."""


class LiveAnswer(Response):
    """Goes on until the client leaves or does not read, may look no more, or this instance goes away."""

    media_type = EVENTS

    def __init__(self, feed: LiveFeed, ask: Ask, client: str, admit: Admit) -> None:
        """`client`: who shares the places of consoles, as `Client.counted_as`."""
        super().__init__(None, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._ask = ask
        self._client = client
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        method = scope["method"]
        try:
            with self._feed.place(self._client), self._feed.listening(self._ask) as listener:
                metrics.HTTP_REQUESTS.labels("rest", method, "200").inc()
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if method == "HEAD" or await self._tell(listener, receive, send):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except RillcastError as error:
            status = status_of(error)
            metrics.HTTP_REQUESTS.labels("rest", method, str(status)).inc()
            answer = refusal_answer(Refusal(status, error.message), headers_of(error, status))
            await answer(scope, receive, send)

    async def _tell(self, listener: LiveListener, receive: Receive, send: Send) -> bool:
        """Whether the client may be told that this is the end; False when it does not read."""
        gone = asyncio.create_task(_disconnected(receive))
        gone.add_done_callback(lambda _: listener.end())
        cut, reads = "", True
        try:
            await _send(send, b"retry: %d\n\n" % RETRY_MS)
            await self._changes(listener, send)
            await _send(send, _BYE)
        except _NotTaken:
            cut, reads = "not_taken", False
        except (Refused, RillcastError):
            cut = "not_allowed"
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        if cut:
            metrics.CONSOLES_CUT.labels(cut).inc()
        return reads

    async def _changes(self, listener: LiveListener, send: Send) -> None:
        looked_at = _now()
        async with aclosing(listener.told(PAUSE_S)) as told:
            async for found in told:
                if _now() - looked_at >= LOOK_S:
                    await self._admit()
                    looked_at = _now()
                parts = [b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), json) for kind, seq, json in found]
                await _send(send, b"".join(parts) or _SILENCE)


async def _send(send: Send, body: bytes) -> None:
    try:
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": body, "more_body": True})
    except TimeoutError:
        raise _NotTaken from None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
