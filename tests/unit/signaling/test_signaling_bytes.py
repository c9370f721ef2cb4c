"""Whatever bytes a client sends, and however the network cuts them: the real listener with the whole service behind it.

The transport is in memory and the time is virtual, so that a connection's whole life takes milliseconds. What must
hold: the connection ends, no exception reaches the loop or the log, what is answered is HTTP or WebSocket, and one
connection holds a bounded amount of memory.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import logging
import random
from collections.abc import Iterator, Sequence

import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.testing.clock import VirtualTimeLoop
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.memory_listener import Listener, NoErrors

MOST_MEMORY = 3_000_000
"""Of one connection that sends as fast as it is read, in bytes, with what the service does for it."""


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        made = Listener(runner)
        runner.run(made.open())
        yield made
        runner.run(made.close())


@pytest.fixture(autouse=True)
def no_errors() -> Iterator[NoErrors]:
    handler = NoErrors()
    loggers = [logging.getLogger(name) for name in ("", "uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)
    assert handler.seen == []


# ---- what clients send

PATHS = (
    "/",
    "/live/websocket",
    "/live/websocket?target=edge",
    "/none/websocket",
    "/live/whip/s2",
    "/live/whep/s1",
    "/live/whep/s1/resource",
    "/live/rest/v2/broadcasts/s1",
    "/rest/v2/version",
    "/static/publish.js",
    "/static/%00",
    "/static/" + "a" * 300,
    "/%",
    "/..//%2e%2e/\\",
    "*",
    "http://example.org/live/whip/s2",
    "/\u00e9",
    "/" + "x" * 70_000,
)
METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "M-SEARCH", "\x00")
VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/1.11", "RTSP/1.0", "")
HEADERS = (
    "Host: 127.0.0.1",
    "Host:",
    "Content-Type: application/sdp",
    "Content-Type: application/json",
    "Content-Type: application/trickle-ice-sdpfrag",
    "If-Match: *",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 5, 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: x",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: keep-alive",
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "Upgrade: websocket",
    "Authorization: Bearer \x80\xff",
    "X-Forwarded-For: \x00",
    "Cookie: " + "c" * 9_000,
    "folded: a\r\n b",
    ": nameless",
    "no colon",
    "bad name: x",
)
UPGRADE = (
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: " + base64.b64encode(b"k" * 16).decode(),
)
BODIES = (
    b"",
    b"hello",
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"-1\r\nx",
    b"5;ext=\x00\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    b'{"name": "x"}',
    b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
    OFFER.encode(),
)
COMMANDS = (
    b'{"command":"ping"}',
    b'{"command":"play","streamId":"s1","token":""}',
    b'{"command":"publish","streamId":"s9"}',
    b'{"command":"takeConfiguration","streamId":"s9","type":"offer","sdp":"v=0"}',
    b'{"command":"takeCandidate","streamId":"s1","candidate":7}',
    b'{"command":[]}',
    b"[" * 5_000,
    b"\xff\xfe",
    b"",
)


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, length: int | None = None) -> bytes:
    """A frame of RFC 6455 §5.2, with another `length` than it has if so asked."""
    size = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


def mostly(usual: Sequence[str], others: Sequence[str]) -> st.SearchStrategy[str]:
    """One of the usual things in three of four cases."""
    return st.integers(0, 3).flatmap(lambda n: st.sampled_from(usual if n else others))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method, path = draw(mostly(METHODS[:5], METHODS)), draw(mostly(PATHS[4:10], PATHS))
    line = f"{method} {path} {draw(mostly(VERSIONS[:1], VERSIONS))}"
    headers = [*HEADERS[:1], *draw(st.lists(mostly(HEADERS[2:8], HEADERS), max_size=4))]
    body = draw(st.sampled_from(BODIES))
    if draw(st.booleans()):
        headers.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([line, *headers]) + draw(mostly(["\r\n\r\n"], ["\n\n", "\r\n", ""]))
    return head.encode("latin-1") + body


@st.composite
def upgrades(draw: st.DrawFn) -> bytes:
    left_out = draw(st.sampled_from([*[None] * 12, *range(len(UPGRADE))]))
    lines = [line for i, line in enumerate(UPGRADE) if i != left_out]
    path = draw(mostly(PATHS[1:3], PATHS))
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


FRAMES = st.one_of(
    st.builds(frame, st.just(1), st.sampled_from(COMMANDS)),
    st.builds(
        frame,
        st.sampled_from([1, 2, 0, 8, 9, 10, 3, 11, 0x41]),
        st.one_of(st.sampled_from(COMMANDS), st.binary(max_size=200)),
        fin=st.sampled_from([True, True, False]),
        masked=st.sampled_from([True, True, True, False]),
        length=st.sampled_from([*[None] * 9, 0, 125, 70_000, 1 << 62]),
    ),
)
CONVERSATIONS = st.one_of(
    st.binary(max_size=400),
    st.lists(requests(), min_size=1, max_size=3).map(b"".join),
    st.tuples(upgrades(), st.lists(FRAMES, max_size=8).map(b"".join)).map(b"".join),
)


@st.composite
def cut(draw: st.DrawFn) -> list[bytes]:
    """A conversation that was damaged here and there, in the pieces that the network makes of it."""
    data = bytearray(draw(CONVERSATIONS))
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                del data[at : at + chance.randrange(1, 9)]
            case 1:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 2:
                data[at:at] = data[at : at + 60]
            case _ if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case _:
                pass
    places = sorted({0, len(data), *(chance.randrange(len(data) + 1) for _ in range(draw(st.integers(0, 6))))})
    return [bytes(data[a:b]) for a, b in itertools.pairwise(places)]


# ---- what is answered


class Answers:
    """Reads what a listener has answered, as a client would."""

    def __init__(self, answered: bytes, head_only: bool) -> None:
        self.statuses: list[int] = []
        self._headers: dict[bytes, bytes] = {}
        self.parser = httptools.HttpResponseParser(self)
        self.frames = b""
        if head_only:
            return
        try:
            self.parser.feed_data(answered)
        except httptools.HttpParserUpgrade as upgrade:
            self.frames = answered[upgrade.args[0] :]
        read_frames(self.frames)

    def on_header(self, name: bytes, value: bytes) -> None:
        assert b"\r" not in value and b"\n" not in value
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        self.statuses.append(status)
        assert 100 <= status < 600 and status not in (500, 501, 502), f"answered {status}"
        framed = {b"content-length", b"transfer-encoding"} & set(self._headers)
        assert framed or status < 200 or status in (204, 304), f"{status} without an end: {self._headers}"
        self._headers = {}


def read_frames(data: bytes) -> None:
    """What a server may write after an upgrade: whole frames that are not masked, and nothing after a close frame."""
    while data:
        opcode, size = data[0] & 0x0F, data[1]
        assert data[0] & 0x70 == 0 and opcode in (0, 1, 2, 8, 9, 10) and size < 128
        at = 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        assert len(data) >= at + size, "a frame was cut short"
        data = data[at + size :]
        assert opcode != 8 or not data, "something follows a close frame"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(pieces=cut(), hangs_up=st.booleans(), patience_s=st.sampled_from([0.0, 0.0, 0.5, 4.0]))
def test_any_conversation_ends_in_words(
    listener: Listener, pieces: list[bytes], hangs_up: bool, patience_s: float
) -> None:
    answered = listener.run(pieces, hangs_up=hangs_up, patience_s=patience_s)

    Answers(answered, head_only=b"HEAD" in b"".join(pieces) or b"CONNECT" in b"".join(pieces))
    assert len(answered) < 200_000


UPGRADED = "\r\n".join(["GET /live/websocket HTTP/1.1", *UPGRADE, "", ""]).encode()
POST = b"POST /live/whip/s7 HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 1_000),
        (b"GET / HTTP/1.1\r\nx: ", b"y" * 60_000),
        (b"GET /", b"y" * 60_000),
        (POST + b"Content-Length: 99999999\r\n\r\n", b"y" * 60_000),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n" * 1_000),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 1_000),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: ", b"y" * 60_000),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;x=", b"y" * 60_000),
        (b"", b"GET /rest/v2/version HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000),
        (b"", b"GET /rest/v2/version HTTP/1.1\r\nHost: x\r\n\r\n" * 15),
        (UPGRADED, frame(1, b"y" * 1_000, fin=False) * 60),
        (UPGRADED, frame(0x1, b"", fin=False) + frame(0, b"", fin=False) * 10_000),
        (UPGRADED, frame(9, b"y" * 125) * 400),
        (UPGRADED, frame(1, b'{"command":"ping"}') * 2_000),
        (UPGRADED, frame(2, b"y" * 60_000)),
        (UPGRADED, frame(1, b"", length=1 << 40)[:14] + b"y" * 60_000),
    ],
    ids=[
        *(
            "headers",
            "a header",
            "an address",
            "a body",
            "chunks",
            "trailers",
            "a trailer",
            "extension",
            "requests",
            "few requests",
        ),
        *("fragments", "empty fragments", "pings", "messages", "binary messages", "a message"),
    ],
)
def test_one_connection_holds_a_bounded_amount_of_memory(listener: Listener, begin: bytes, piece: bytes) -> None:
    taken, most = listener.flood(begin, piece)

    assert most < MOST_MEMORY, f"{taken} bytes took {most} bytes of memory"
