"""What a client is answered when an app does not answer: the node goes away, or something is wrong in the app.

A fault is one line in the log, of which there are only so many (`telemetry.logs.Bounded`), and a count. What the
exception says is not written: it may hold what the client sent.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_GOING_AWAY = (503, b"this node goes away, try again\n")
_FAULT = (500, b"internal error, see this node's log\n")
_INTERNAL_ERROR = 1011
"""RFC 6455 section 7.4.1."""
_PLACES = 3
"""Of the innermost calls, which the line names."""


def answer_whatever_happens(app: Asgi) -> Asgi:
    """`app`, but its requests are answered 503 when they are cancelled, and 500 when they fail."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def observed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await app(scope, receive, observed)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not begun:
                await _answer(send, *_GOING_AWAY)
        except ClientDisconnected:
            raise  # the server expects it
        except (ClientDisconnect, WebSocketDisconnect):
            log.debug("A client left in the middle of its request")
        except Exception as error:  # noqa: BLE001 - whatever it is, there is nobody above but the server
            _note(scope["type"], error)
            if scope["type"] == "websocket":
                await _close(send, has_begun=begun)
            elif not begun:  # or the server closes the connection in the middle of the answer
                await _answer(send, *_FAULT)

    return answered


def _note(protocol: str, error: Exception) -> None:
    metrics.HTTP_FAILED.labels(protocol).inc()
    calls = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = " < ".join(f"{call.filename.rpartition('/')[2]}:{call.lineno}" for call in reversed(calls))
    log.error("A request failed because of a fault of ours", error=type(error).__name__, places=places)


async def _answer(send: Send, status: int, words: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(words)), (b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})


async def _close(send: Send, *, has_begun: bool) -> None:
    status, words = _FAULT
    if has_begun:
        await send({"type": "websocket.close", "code": _INTERNAL_ERROR, "reason": "internal error"})
        return
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": words})
