"""HTTP within the limits of a listener. uvicorn by itself waits for ever for a request that is never finished, and
keeps whatever is sent of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rillcast.runtime import metrics
from rillcast.runtime.http.inbox import Inbox
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import NoPlace, Place
from rillcast.runtime.http.transport import BoundedTransport
from rillcast.runtime.http.turns import REQUEST_WORK, Turns
from rillcast.runtime.http.websocket import plain_handshake, take_handshake

_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_HEADER_SIGNS = len(b": \r\n")
_LONGEST_URL = 65_535
"""The parser of URLs knows no longer ones."""
PLACE = "place"
"""Under this name the state in the scope of a request holds the `Place` of its connection."""
_LINGER_S = 1.0
"""How long a refused client may take to read why."""
_MOST_LINGERING = 32
"""NoPlace clients of one listener that may do so at one time; others are cut off without a word."""
_HEAD_SLICE = 4 * 1024
"""Of heads so much is parsed at a time: some 200 requests at most, a millisecond."""
_BODY_SLICE = 32 * 1024
_PLAIN_HEAD_BYTES = 8 * 1024
"""`websockets` takes no longer line. A head that is shorter has none."""
_BYTES_OF_A_UNIT = 1024
"""Of heads; see `Turns`. Bodies cost a part of that."""


def limited_protocol(limits: HttpLimits, turns: Turns) -> Callable[..., asyncio.Protocol]:
    """uvicorn's HTTP protocol with `limits`, for its option ``http`` of one server. The option ``place`` of each
    connection says the place that it has, or why it has none. What it asks for is done when it has its turn."""
    return partial(_LimitedProtocol, limits, turns, set())


class _LimitedProtocol(HttpToolsProtocol):
    def __init__(
        self,
        limits: HttpLimits,
        turns: Turns,
        lingering: set[_LimitedProtocol],
        /,
        *arguments: Any,
        place: Place | NoPlace,
        **named: Any,
    ) -> None:
        """`lingering`: the refused connections of the listener that are still open."""
        super().__init__(*arguments, **named)
        self._limits = limits
        self._turns = turns
        self._place = place if isinstance(place, Place) else None
        self._no_place = place if not isinstance(place, Place) else None
        self._lingering = lingering
        self._refused = False
        self._upgraded = False
        """To a WebSocket, which has another protocol."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        """Of the head that is under way, in the slices before this one."""
        self._reading = 0
        """Bytes of this slice."""
        self._pieces: list[bytes] = []
        """Of a body, in this slice. Handing over each of many tiny chunks would copy the body each time."""
        self._brings_body = False
        """Whether this slice does."""
        self._names_body = False
        """Whether a header of the request says how long its body is."""
        self._body_bytes = 0
        """Of requests that are not answered yet."""
        self._beside_body = 0
        """Bytes since the last piece of a body, in slices that brought none: of a chunk's head, or of trailers."""

    # ---- the transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        bounded = BoundedTransport(transport, self.loop, self._place)
        self._inbox = Inbox(bounded, self._turns, self._party, self._parse_some)
        super().connection_made(bounded)  # type: ignore[arg-type]
        if self._place is not None:
            self._place.give_way = self._give_way
            self._place.busy()
            self.loop.call_soon(self.loop.call_soon, self._look_whether_idle)
            self._head_begins()
        elif self._no_place is not None:
            self.connections.discard(self)
            whose = "of your address " if self._no_place is NoPlace.ADDRESS_FULL else ""
            words = f"too many connections {whose}are open here, try again soon"
            self._refuse(self._no_place, "503 Service Unavailable", words)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self.transport.rest()  # type: ignore[attr-defined]
            self._turns.ask(self._party, self._drop_more)
        else:
            if self._place is not None:
                self._place.busy()
            self._inbox.add(data)

    def _drop_more(self) -> int:
        """What a refused client sends is read all the same, or it would not read the answer."""
        self.transport.wake()  # type: ignore[attr-defined]
        return 1

    def _look_whether_idle(self) -> None:
        """Called two turns after the connection was made: the event loop reads from it after the first of them."""
        if not len(self._inbox):
            self._is_idle()

    def _is_idle(self) -> None:
        """Unless a request or a WebSocket is under way."""
        if self._place is not None and not self._answering and self._body_timer is None and not self._upgraded:
            self._place.idle()

    def _parse_some(self, received: bytearray) -> int:
        """A slice of what was received. See `Inbox`."""
        if self._refused or self._upgraded or self.parser is None:  # or the connection is gone
            received.clear()
            return 0
        in_body = self._body_timer is not None
        piece = bytes(received[: _BODY_SLICE if in_body else _HEAD_SLICE])
        del received[: len(piece)]
        self._parse(piece)
        if not received:
            self._is_idle()
        work = 1 + len(piece) // (_BYTES_OF_A_UNIT * (8 if in_body else 1))
        return work + (REQUEST_WORK if self._upgraded else 0)

    def _parse(self, data: bytes) -> None:
        self._reading = len(data)
        self._brings_body = False
        super().data_received(data)
        self._hand_over_body()
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._head_is_large()
        elif self._body_timer is not None:
            self._beside_body = 0 if self._brings_body else self._beside_body + len(data)
            if self._beside_body > self._limits.head_bytes:
                self._head_is_large()
        elif self.cycle is not None and not self._answering and not self._refused and not self._upgraded:
            self._await_next_request()
        self._keep()

    def _await_next_request(self) -> None:
        """What came was the rest of a body whose request is answered, or empty lines between two requests. uvicorn then
        has ended its wait for the next request, and would not begin another one."""
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_over()
        self._body_is_over()
        self._lingering.discard(self)
        self._inbox.close()
        if self._place is not None:
            self._place.leave()
        super().connection_lost(exc)

    # ---- the parser's side

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][PLACE] = self._place
        self._names_body = False
        if self._head_timer is None and not self._refused:
            self._head_begins()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._body_timer is not None or self._refused:  # it is a trailer, or nobody's
            return
        if name.lower() in _BODY_HEADERS:
            self._names_body = True
        if len(self.headers) >= self._limits.headers:
            self._refuse("head_too_large", "431 Request Header Fields Too Large", "the request has too many headers")
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._refused:  # this request came behind a refused one
            return
        self._head_is_over()
        if self._place is not None:
            self._place.busy()
        if self._has_large_head:
            self._head_is_large()
            return
        has_body = self._has_body
        if has_body and self.parser.should_upgrade() and self._should_upgrade():
            # The parser would wait for that body, and nobody would wait for the parser.
            self._refuse("bad_handshake", "400 Bad Request", "a WebSocket handshake has no body")
            return
        super().on_headers_complete()
        if len(self.pipeline) > self._limits.pipelined:
            self._refuse("pipelined", "429 Too Many Requests", "too many requests wait on this connection")
        elif has_body:
            self._beside_body = 0
            self._await_body(self._limits.body_timeout_s)

    def on_body(self, body: bytes) -> None:
        self._brings_body = True
        if not self._refused:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._hand_over_body()
        self._body_is_over()
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called when an answer is written. uvicorn would wait for the rest of its request's body for ever, and keep
        what nobody has read of it until the next request."""
        self.cycle.body = bytearray()
        super().on_response_complete()
        if self.pipeline:  # uvicorn would read more, and the queue would grow with every answer
            self.flow.pause_reading()
        self._keep()
        if self._body_timer is not None:
            self._await_body(self._limits.unread_body_timeout_s)
        elif not len(self._inbox):
            self._is_idle()

    def send_400_response(self, msg: str) -> None:
        if not self._refused:
            super().send_400_response(msg)

    def handle_websocket_upgrade(self) -> None:
        if not self._refused:
            self._upgraded = True
            self._keep()
            self._inbox.close()
            self._hand_to_websocket()
            self.parser = None  # type: ignore[assignment]  # or only the garbage collector could free this protocol

    def _hand_to_websocket(self) -> None:
        """uvicorn writes the head anew for `websockets`, which then parses it a second time. That is left to it for
        what `websockets` refuses and our parser does not: lengths, bodies, methods and letters that are no ASCII."""
        short = self._head_bytes + self._reading <= _PLAIN_HEAD_BYTES and self.scope["method"] == "GET"
        request = plain_handshake(self.url, self.headers) if short and not self._names_body else None
        if request is None:
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol: Any = self.ws_protocol_class(  # type: ignore[call-arg, misc]
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        protocol.connection_made(self.transport)
        take_handshake(protocol, request)
        self.transport.set_protocol(protocol)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.expect_reading()  # type: ignore[attr-defined]

    # ---- inside

    @property
    def _party(self) -> Hashable:
        return self if self._place is None else self._place.party

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request, once it is this connection's turn."""
        self._turns.ask(self._party, partial(self._begin_answer, cycle, app))

    def _begin_answer(self, cycle: RequestResponseCycle, app: Any) -> int:
        if cycle.disconnected:
            return 0
        super()._start_asgi_task(cycle, app)
        return REQUEST_WORK

    def _give_way(self) -> None:
        """All places are taken, this connection is idle, and somebody asks."""
        metrics.HTTP_REFUSED.labels("gave_way").inc()
        self._refused = True
        self.transport.abort()

    @property
    def _has_large_head(self) -> bool:
        if len(self.url) > _LONGEST_URL:
            return True
        # Other requests may be in the same read, so this is the most that the head can have; seldom is it too much.
        return (
            self._head_bytes + self._reading > self._limits.head_bytes and self._size_of_head > self._limits.head_bytes
        )

    @property
    def _size_of_head(self) -> int:
        """In bytes, without the request's method and version."""
        return len(self.url) + sum(len(name) + len(value) + _HEADER_SIGNS for name, value in self.headers)

    @property
    def _answering(self) -> bool:
        """Whether the answer to an earlier request is still under way."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _has_body(self) -> bool:
        return self._names_body and any(name in _BODY_HEADERS and value != b"0" for name, value in self.headers)

    def _hand_over_body(self) -> None:
        if self._pieces:
            body = b"".join(self._pieces)
            self._pieces.clear()
            super().on_body(body)
            self._body_bytes += len(body)

    def _keep(self) -> None:
        """Count what the client has begun to send, until that is answered, or send it away."""
        if not self._answering:
            self._body_bytes = 0
        size = self._body_bytes + (self._head_bytes if self._head_timer is not None else 0)
        if self._place is None or self._place.hold(0 if self._upgraded or self._refused else size):
            return
        if self._answering and not self.cycle.response_started and not self.pipeline:  # nobody has begun to answer
            self.cycle.disconnected = self.cycle.response_complete = True
            self.cycle.message_event.set()
        words = "too much is sent here that has no end yet, try again soon"
        self._refuse("unfinished", "503 Service Unavailable", words)

    def _await_body(self, timeout_s: float) -> None:
        self._body_is_over()
        self._body_timer = self.loop.call_later(timeout_s, self._body_is_late)

    def _body_is_over(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _body_is_late(self) -> None:
        """The answer is under way or written: there is nothing left to say."""
        metrics.HTTP_REFUSED.labels("body_too_late").inc()
        self.transport.abort()

    def _head_begins(self) -> None:
        self._head_bytes = 0
        self._await_head()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._limits.head_timeout_s, self._head_is_late)

    def _head_is_over(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._answering:
            self._await_head()
            return
        words = f"no complete request came within {self._limits.head_timeout_s:g} s"
        self._refuse("head_too_late", "408 Request Timeout", words)

    def _head_is_large(self) -> None:
        if len(self.url) > min(self._limits.head_bytes // 2, _LONGEST_URL):
            self._refuse("head_too_large", "414 URI Too Long", "the request's address is too long")
        else:
            self._refuse("head_too_large", "431 Request Header Fields Too Large", "the request's head is too large")

    def _refuse(self, reason: str, status: str, words: str) -> None:
        """Answer, then close once the client has read it: closing at once resets the connection under the answer."""
        if self._refused:
            return
        self._head_is_over()
        self._refused = True
        metrics.HTTP_REFUSED.labels(reason).inc()
        if self.transport.is_closing():
            return
        # Words of ours would become part of an answer that is under way.
        if self._answering or len(self._lingering) >= _MOST_LINGERING:
            self.transport.abort()
            return
        self._lingering.add(self)
        head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(words) + 1}\r\n"
        self.transport.write(f"{head}retry-after: 5\r\nconnection: close\r\n\r\n{words}\n".encode())
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)
