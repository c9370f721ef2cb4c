"""Events as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.event_records import EVENTS_IN_ENTRY, ClusterEvent, EventKind
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.core.usecases.event_feed import EventFeed, Happened, Listener, Missed
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.domain.listening import Wanted
from services.signaling.rest.domain.refusal import Refusal, Refused

log = get_logger(__name__)

PAUSE_S = 10.0
"""When nothing was sent for so long a comment is, so that proxies keep the connection."""
LOOK_S = 30.0
"""How often it is looked whether the operator may still listen."""
SEND_S = 20.0
"""A client that does not take what is sent in this time is cut off."""
RETRY_MS = 2_000
"""After so long a client that lost its connection is to come back."""
EVENTS = "text/event-stream"
_BYE = b": this is the end; come back with Last-Event-ID\n\n"
_LOST = "some of what happened since the last event that you know is not kept any more"

Admit = Callable[[], Awaitable[object]]
"""Raises `Refused` or `RillcastError` when whoever asks may not listen any more."""


class _NotTaken(Exception):
    """The client does not read."""


class EventStreamAnswer(Response):
    """Goes on until the client leaves or does not read, may listen no more, or this instance goes away."""

    media_type = EVENTS

    def __init__(self, feed: EventFeed, wanted: Wanted, client: str, admit: Admit) -> None:
        """`client`: who shares the places of listeners, as `Client.counted_as`."""
        super().__init__(None, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._wanted = wanted
        self._client = client
        self._admit = admit
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        method = scope["method"]
        try:
            with self._feed.place(self._client), self._feed.listening(self._wanted.after) as listener:
                metrics.HTTP_REQUESTS.labels("rest", method, "200").inc()
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if method == "HEAD" or await self._tell(listener, receive, send):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except RillcastError as error:
            status = status_of(error)
            metrics.HTTP_REQUESTS.labels("rest", method, str(status)).inc()
            answer = refusal_answer(Refusal(status, error.message), headers_of(error, status))
            await answer(scope, receive, send)

    async def _tell(self, listener: Listener, receive: Receive, send: Send) -> bool:
        """Whether the client may be told that this is the end; False when it does not read."""
        gone = asyncio.create_task(_disconnected(receive))
        gone.add_done_callback(lambda _: listener.end())
        cut, reads = "", True
        try:
            await self._send(send, b"retry: %d\nid: %d-%d\n\n" % (RETRY_MS, *listener.after))
            await self._events(listener, send)
            await self._send(send, _BYE)
        except _NotTaken:
            cut, reads = "not_taken", False
        except Refused:
            cut = "not_allowed"
        except RillcastError as error:
            cut = "store"
            log.info("A listener to events was let go", reason=error.loggable)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        if cut:
            metrics.EVENT_LISTENERS_CUT.labels(cut).inc()
        return reads

    async def _events(self, listener: Listener, send: Send) -> None:
        looked_at = _now()
        async with aclosing(listener.events(PAUSE_S)) as told:
            async for found in told:
                if _now() - looked_at >= LOOK_S:
                    await self._admit()
                    looked_at = _now()
                if isinstance(found, Missed):
                    await self._send(send, missed(found))
                elif events := [one for one in found if self._wanted.fits(one.event)]:
                    await self._send(send, encoded(events))
                elif _now() - self._sent_at >= PAUSE_S:
                    await self._send(send, silence(found))

    async def _send(self, send: Send, body: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise _NotTaken from None
        self._sent_at = _now()


def encoded(events: Sequence[Happened]) -> bytes:
    """Events in the form of the standard."""
    return b"".join(_event(one.place, one.part, one.event) for one in events)


def missed(gap: Missed) -> bytes:
    """That events are missing here, as an event of its own."""
    event = ClusterEvent(kind=EventKind.EVENTS_MISSED, at_ms=int(time.time() * 1_000), why=_LOST)
    return _event(gap.place, EVENTS_IN_ENTRY, event)


def silence(passed_over: Sequence[Happened]) -> bytes:
    """A comment. Whoever comes back need not be told anew what was passed over."""
    last = b"id: %d-%d\n" % (passed_over[-1].place, passed_over[-1].part) if passed_over else b""
    return last + b": nothing happens\n\n"


def _event(place: int, part: int, event: ClusterEvent) -> bytes:
    return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (place, part, event.kind.value.encode(), msgspec.json.encode(event))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
