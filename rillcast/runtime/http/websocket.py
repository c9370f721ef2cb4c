"""Limits of a WebSocket below the application: its handshake, its control frames, its fragments.

A subclass of uvicorn's protocol, written for the version of uvicorn that `pyproject.toml` pins: uvicorn promises
nothing about the methods overridden here. ``tests/process/test_websocket_limits.py`` fails when one of them is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Protocol

from rillcast.runtime import metrics
from rillcast.runtime.http.inbox import Inbox
from rillcast.runtime.http.transport import BoundedTransport
from rillcast.runtime.http.turns import Turns

FLOOD_CODE = 1008
NOT_UTF8_CODE = 1007
KEEPALIVE_CODE = 1011
"""What uvicorn writes to a client that answers no ping."""
_LONGEST_HEAD = 14
"""Of a frame, in bytes."""
FRAMES_PER_SLICE = 8
"""Parsed at a time: one socket gets so many of each turn of the event loop while others wait (`Turns`)."""
SLICE_BYTES = 16 * 1024
"""Likewise, in bytes, of a frame that is long."""
_BYTES_OF_A_UNIT = 2 * 1024
"""Of long frames; see `Turns`."""
MESSAGES_PER_TURN = 16
"""Handed to the application in one turn of the event loop, long ones counting more. The queue of a client that sends
faster than it is answered is never empty, and taking from it does not wait."""
LONG_BYTES = 8 * 1024
"""A message counts once more for each time that it is as long as this."""


@dataclass(frozen=True)
class FrameLimits:
    """Frames that no application sees: pings, pongs, and all fragments of a message but the last."""

    per_s: float = 50.0
    """A browser sends one in twenty seconds."""
    burst: int = 200
    """How many may come at once."""
    fragments: int = 200
    """How many one message may have."""
    message_timeout_s: float = 30.0
    """From the first bytes of a message to its end."""


class FrameCutter:
    """Cuts what one peer sends into pieces of few frames, without looking at what is in them (RFC 6455 section 5.2)."""

    __slots__ = ("_left", "_length")

    def __init__(self) -> None:
        self._left = 0
        """Bytes of the frame that the pieces before this one have begun."""
        self._length = 0
        """Of that frame."""

    @property
    def begun_bytes(self) -> int:
        """Of the last frame, if more of it is to come."""
        return self._length - self._left if self._left else 0

    def cut(self, received: bytearray, frames: int, most: int) -> tuple[int, int]:
        """How many bytes from the front of `received` are the next piece, and how many frames begin in them: at most
        `frames`, and in about `most` bytes. A head is never cut, so there may be nothing yet."""
        end = self._take(min(len(received), most))
        begun = 0
        while not self._left and begun < frames and end < most:
            head = _length_of_head(received, end)
            if not head or end + head > len(received):
                break
            self._left = self._length = head + _length_of_payload(received, end)
            end += self._take(max(head, min(len(received), most) - end))
            begun += 1
        return end, begun

    def _take(self, available: int) -> int:
        taken = min(self._left, available)
        self._left -= taken
        return taken


def _length_of_head(received: bytearray, at: int) -> int:
    """Of the frame that begins there, in bytes; 0 when that is not known yet."""
    if len(received) < at + 2:
        return 0
    length, masked = received[at + 1] & 0x7F, received[at + 1] & 0x80
    return 2 + {126: 2, 127: 8}.get(length, 0) + (4 if masked else 0)


def _length_of_payload(received: bytearray, at: int) -> int:
    length = received[at + 1] & 0x7F
    if length < 126:
        return length
    return int.from_bytes(received[at + 2 : at + (4 if length == 126 else 10)], "big")


def limited_websocket(turns: Turns, handshake_timeout_s: float, limits: FrameLimits) -> Callable[..., asyncio.Protocol]:
    """uvicorn's WebSocket protocol with limits, for its option ``ws``."""
    return partial(_LimitedWebSocket, turns, handshake_timeout_s, limits)


def plain_handshake(path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Request | None:
    """The request of a handshake by GET whose head llhttp has parsed, which takes no names or values of headers that
    `websockets` does not. None if they hold letters that are no ASCII: how to read them is for `websockets` to say."""
    found = Headers()
    try:
        for name, value in headers:
            found.set_insecure(name.decode("ascii"), value.decode("ascii").strip(" \t"))
        return Request(path.decode("ascii"), found)
    except UnicodeDecodeError:
        return None


def take_handshake(protocol: WebSocketsSansIOProtocol, request: Request) -> None:
    """Instead of `data_received` with the bytes of the request, once, after `connection_made`."""
    protocol.conn.parser = Protocol.parse(protocol.conn)  # from here on there are frames
    next(protocol.conn.parser)
    protocol.handle_connect(request)


class _LimitedWebSocket(WebSocketsSansIOProtocol):
    def __init__(
        self, turns: Turns, handshake_timeout_s: float, limits: FrameLimits, *arguments: Any, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._turns = turns
        self._limits = limits
        self._tokens = float(limits.burst)
        self._counted_at = self.loop.time()
        self._flooded = False
        self._cutter = FrameCutter()
        self._taken = 0
        """What the application took in this turn of the event loop, or in earlier ones if it was little."""
        self._message_timer: asyncio.TimerHandle | None = None
        """While a message is under way."""
        self._handshake_timer = self.loop.call_later(handshake_timeout_s, self._handshake_is_late)

    # ---- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, BoundedTransport):
            transport = BoundedTransport(transport, self.loop)  # type: ignore[arg-type, assignment]
        assert isinstance(transport, BoundedTransport)
        party = self if transport.place is None else transport.place.party
        self._inbox = Inbox(transport, self._turns, party, self._parse_some)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._handshake_timer.cancel()
        self._message_is_over()
        self._inbox.close()
        if (place := self.transport.place) is not None:  # type: ignore[attr-defined]
            place.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._inbox.add(data)
            return
        super().data_received(data)  # the head of the request, which the HTTP protocol has parsed before
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._refuse_handshake("bad_handshake", 400, "this is no WebSocket handshake")

    def keepalive_timeout(self) -> None:
        """A ping was not answered in time. uvicorn hands the application 1005, as for a connection that broke."""
        if not self.close_sent and not self.transport.is_closing():
            self.queue.put_nowait({"type": "websocket.disconnect", "code": KEEPALIVE_CODE, "reason": "keepalive"})
        super().keepalive_timeout()

    # ---- the frames

    def handle_ping(self) -> None:
        """Answer, unless the client sends too many pings or does not read the answers."""
        answer = b"".join(self.conn.data_to_send())
        if self._counts_frame() and self.writable.is_set():
            self.transport.write(answer)

    def handle_pong(self, event: Frame) -> None:
        if self._counts_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= self._limits.fragments:
            self._close_flooder()
        elif event.fin or self._counts_frame():
            super().handle_cont(event)
        _forget(event)

    def handle_text(self, event: Frame) -> None:
        if event.fin or self._counts_frame():
            super().handle_text(event)
        _forget(event)

    def handle_bytes(self, event: Frame) -> None:
        if event.fin or self._counts_frame():
            super().handle_bytes(event)
        _forget(event)

    def send_receive_event_to_app(self) -> None:
        """A whole message has come. After our close frame nobody reads it, so it is counted here."""
        self._message_is_over()
        if self.close_sent and not self._counts_frame():
            return
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.frames = []
            metrics.WEBSOCKETS_REFUSED.labels("not_utf8").inc()
            self._fail(NOT_UTF8_CODE, "")
            return
        super().send_receive_event_to_app()

    # ---- the application's side

    async def receive(self) -> Any:
        if self.queue.empty():
            self._taken = 0
        elif self._taken >= MESSAGES_PER_TURN:
            self._taken = 0
            await asyncio.sleep(0)
        event: Any = await super().receive()
        self._taken += 1 + len(event.get("text") or event.get("bytes") or "") // LONG_BYTES
        return event

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and self.handshake_complete and not self.writable.is_set():
            self._close_without_waiting(message.get("code", 1000), message.get("reason") or "")
            return
        await super().send(message)
        if self.handshake_complete or self.close_sent:
            self._handshake_timer.cancel()
            self.handshake_complete = True  # also by a refusal: uvicorn would log an error about one

    # ---- inside

    def _parse_some(self, received: bytearray) -> int:
        """A few frames of what was received. See `Inbox`."""
        if self._flooded or self.transport.is_closing():
            received.clear()
            return 0
        size, frames = self._cutter.cut(received, FRAMES_PER_SLICE, SLICE_BYTES)
        if not size:
            return 0
        piece = bytes(received[:size])
        del received[:size]
        super().data_received(piece)
        self._keep()
        return frames + size // _BYTES_OF_A_UNIT

    def _keep(self) -> None:
        """Count what has come of a message that has not ended, or send the client away."""
        if self._flooded:
            return
        size = self._cutter.begun_bytes + sum(map(len, self.frames))
        if not size:
            self._message_is_over()
        elif self._message_timer is None:
            self._message_timer = self.loop.call_later(self._limits.message_timeout_s, self._message_is_late)
        place = self.transport.place  # type: ignore[attr-defined]
        if place is not None and not place.hold(size):
            metrics.WEBSOCKETS_REFUSED.labels("unfinished").inc()
            self._give_up("too much has no end")

    def _message_is_over(self) -> None:
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

    def _message_is_late(self) -> None:
        """Not its client, but we are late, while the rest may be here and was not parsed."""
        if len(self._inbox) > _LONGEST_HEAD or self.transport.is_paused:  # type: ignore[attr-defined]
            self._message_timer = self.loop.call_later(self._limits.message_timeout_s, self._message_is_late)
            return
        metrics.WEBSOCKETS_REFUSED.labels("message_too_late").inc()
        self._give_up("a message took too long")

    def _counts_frame(self) -> bool:
        """Take a token for a frame. If there is none, the client is sent away."""
        now = self.loop.time()
        self._tokens = min(self._limits.burst, self._tokens + (now - self._counted_at) * self._limits.per_s)
        self._counted_at = now
        if self._tokens < 1.0:
            self._close_flooder()
            return False
        self._tokens -= 1.0
        return True

    def _close_flooder(self) -> None:
        if not self._flooded:
            metrics.WEBSOCKETS_REFUSED.labels("flood").inc()
            self._give_up("flood")

    def _give_up(self, reason: str) -> None:
        """Nothing that the client sends is read any more."""
        self._flooded = True
        self._message_is_over()
        self._inbox.clear()
        self.frames = []
        if self.close_sent:
            self.transport.abort()
            return
        self._fail(FLOOD_CODE, reason)

    def _close_without_waiting(self, code: int, reason: str) -> None:
        """The application closes a socket whose client does not read. The transport gives the client some seconds for
        what is left; nobody else waits for it."""
        if not self.transport.is_closing():
            self._fail(code, reason)

    def _fail(self, code: int, reason: str) -> None:
        """Close because of what the client did. The application reads the same code and reason in its last event."""
        if not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.transport.close()

    def _handshake_is_late(self) -> None:
        if not self.handshake_complete:
            self._refuse_handshake("handshake_too_late", 408, "the WebSocket handshake took too long")

    def _refuse_handshake(self, reason: str, status: int, words: str) -> None:
        """With the answer of `websockets` if it has one."""
        self._handshake_timer.cancel()
        metrics.WEBSOCKETS_REFUSED.labels(reason).inc()
        answer = b"".join(self.conn.data_to_send()) or self.conn.reject(status, f"{words}\n").serialize()
        self.close_sent = self.handshake_complete = True
        self.transport.write(answer)
        self.transport.close()


def _forget(frame: Frame) -> None:
    """What the frame brought was taken. The parser keeps the frame until another one comes, which may be never."""
    frame.data = b""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
