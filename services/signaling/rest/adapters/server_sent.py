"""Answers of Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html): what all of them have
in common. What is told differs (`event_stream`, `live_stream`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import ClassVar, Generic, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rillcast.contracts.errors import RillcastError
from services.signaling import metrics
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.domain.refusal import Refusal, Refused

PAUSE_S = 10.0
"""When nothing was sent for so long a comment is, so that proxies keep the connection."""
LOOK_S = 30.0
"""How often it is looked whether the operator may still listen."""
SEND_S = 20.0
"""A client that does not take what is sent in this time is cut off."""
RETRY_MS = 2_000
"""After so long a client that lost its connection is to come back."""
EVENTS = "text/event-stream"

Admit = Callable[[], Awaitable[object]]
"""Raises `Refused` or `RillcastError` when whoever asks may not listen any more."""


class Ends(Protocol):
    """Who is told something until it ends."""

    def end(self) -> None:
        """Nothing more comes."""
        ...


Listening = TypeVar("Listening", bound=Ends)


class NotTaken(Exception):
    """The client does not read."""


class ServerSent(Response, Generic[Listening]):
    """Goes on until the client leaves or does not read, may listen no more, or this instance goes away."""

    media_type = EVENTS
    bye: ClassVar[bytes]
    """What is sent last, if the client reads."""

    def __init__(self, admit: Admit) -> None:
        super().__init__(None, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._admit = admit
        self.sent_at = 0.0
        """When something was sent last."""
        self._looked_at = 0.0

    def listening(self) -> AbstractContextManager[Listening]:
        """A place, and to be told. Raises `RillcastError` when there is none."""
        raise NotImplementedError

    def head(self, listener: Listening) -> bytes:
        """What is sent first."""
        raise NotImplementedError

    async def tell(self, listener: Listening, send: Send) -> None:
        """Send what comes, until nothing more does. Raises `NotTaken`, `Refused` and `RillcastError`."""
        raise NotImplementedError

    def why(self, error: RillcastError) -> str:
        """As what it counts that the answer ended with this."""
        return "not_allowed"

    def count_cut(self, reason: str) -> None:
        """Count one that was cut off."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        method = scope["method"]
        try:
            with self.listening() as listener:
                metrics.HTTP_REQUESTS.labels("rest", method, "200").inc()
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                if method == "HEAD" or await self._told(listener, receive, send):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except RillcastError as error:
            status = status_of(error)
            metrics.HTTP_REQUESTS.labels("rest", method, str(status)).inc()
            answer = refusal_answer(Refusal(status, error.message), headers_of(error, status))
            await answer(scope, receive, send)

    async def look(self) -> None:
        """Whether the operator may still listen, now and then. Raises `Refused` or `RillcastError`."""
        if now() - self._looked_at >= LOOK_S:
            await self._admit()
            self._looked_at = now()

    async def send(self, send: Send, body: bytes) -> None:
        """Send a part. Raises `NotTaken`."""
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        except TimeoutError:
            raise NotTaken from None
        self.sent_at = now()

    async def _told(self, listener: Listening, receive: Receive, send: Send) -> bool:
        """Whether the client may be told that this is the end; False when it does not read."""
        gone = asyncio.create_task(_disconnected(receive))
        gone.add_done_callback(lambda _: listener.end())
        cut, reads = "", True
        self._looked_at = now()
        try:
            await self.send(send, self.head(listener))
            await self.tell(listener, send)
            await self.send(send, self.bye)
        except NotTaken:
            cut, reads = "not_taken", False
        except Refused:
            cut = "not_allowed"
        except RillcastError as error:
            cut = self.why(error)
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        if cut:
            self.count_cut(cut)
        return reads


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def now() -> float:
    """The time of the loop, in seconds."""
    return asyncio.get_running_loop().time()
