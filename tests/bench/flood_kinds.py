"""The floods of `tests.bench.floods`. Each runs in a process of its own, from one address, until it is ended.

python -m tests.bench.flood_kinds KIND PLAIN_PORT TLS_PORT
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

SOURCE = "127.0.0.3"
"""Of the flood. Whoever waits beside it has another address."""
TEXT, CONT, PING, PONG = 1, 0, 9, 10
UPGRADE = (
    b"GET /live/websocket HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n{more}\r\n"
)


def frame(opcode: int, data: bytes = b"", *, first: int = 0x80) -> bytes:
    """Of a client. `first`: the bits besides the opcode."""
    if len(data) < 126:
        head = bytes([first | opcode, 0x80 | len(data)])
    elif len(data) < 65_536:
        head = bytes([first | opcode, 0xFE]) + len(data).to_bytes(2, "big")
    else:
        head = bytes([first | opcode, 0xFF]) + len(data).to_bytes(8, "big")
    return head + bytes(4) + data


def command(name: str, **fields: object) -> bytes:
    return frame(TEXT, json.dumps({"command": name, **fields}).encode())


def post(path: str, body: bytes, method: str = "POST", kind: str = "application/sdp", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


class Target:
    """Where the server listens."""

    def __init__(self, plain: int, encrypted: int) -> None:
        self.plain = plain
        self.encrypted = encrypted

    def connect(self, *, encrypted: bool = False) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind((SOURCE, 0))
        sock.settimeout(5)
        sock.connect(("127.0.0.1", self.encrypted if encrypted else self.plain))
        return sock

    def upgraded(self, more: str = "") -> socket.socket:
        """A WebSocket. One that is refused too often is asked for less often."""
        while True:
            sock = self.connect()
            sock.sendall(UPGRADE.replace(b"{more}", more.encode()))
            if sock.recv(4_096).startswith(b"HTTP/1.1 101"):
                return sock
            sock.close()
            time.sleep(0.02)


Flood = Callable[[Target], None]
FLOODS: dict[str, tuple[str, Flood]] = {}
"""By name, with what it is called in the table."""


def flood(name: str, shown: str) -> Callable[[Flood], Flood]:
    def add(one: Flood) -> Flood:
        FLOODS[name] = (shown, one)
        return one

    return add


def frames(name: str, shown: str, sent: bytes, *, before: bytes = b"", more: str = "", sockets: int = 1) -> None:
    """A flood that sends the same again and again on WebSockets, and opens new ones for those that are closed."""

    def run(target: Target) -> None:
        chunk = sent * max(1, 65_536 // len(sent))
        there = [target.upgraded(more) for _ in range(sockets)]
        for one in there:
            one.sendall(before)
            one.setblocking(False)
        rest = [b""] * sockets
        for number in itertools.cycle(range(sockets)):
            try:
                left = rest[number] or chunk
                rest[number] = left[there[number].send(left) :]
                with suppress(BlockingIOError):
                    while there[number].recv(65_536):
                        pass
            except BlockingIOError:
                if sockets == 1:
                    time.sleep(0.0005)
            except OSError:
                there[number].close()
                there[number] = target.upgraded(more)
                there[number].sendall(before)
                there[number].setblocking(False)
                rest[number] = b""

    FLOODS[name] = (shown, run)


DEEP = b'{"command":' + b"[" * 40_000 + b"]" * 40_000 + b"}"
MANY = b'{"metaData":[' + b"{}," * 27_000 + b'0],"command":"publish","streamId":"s2"}'
frames("tiny", "WebSocket: texts of 7 bytes with their heads", frame(TEXT, b"x"))
frames("tiny-100", "the same on 100 sockets", frame(TEXT, b"x"), sockets=100)
frames("tiny-900", "the same on 900 sockets", frame(TEXT, b"x"), sockets=900)
frames("pings", "WebSocket: pings", frame(PING))
frames("pongs", "WebSocket: pongs", frame(PONG))
frames("fragments", "WebSocket: fragments", frame(CONT, first=0), before=frame(TEXT, first=0))
frames("large", "WebSocket: texts of 80 kB", frame(TEXT, b"x" * 80_000))
frames("large-100", "the same on 100 sockets", frame(TEXT, b"x" * 80_000), sockets=100)
frames("json-deep", "WebSocket: 80 kB of nested JSON", frame(TEXT, DEEP))
frames("json-many", "WebSocket: 80 kB of JSON with 27 000 objects", frame(TEXT, MANY))
frames(
    "deflate",
    "WebSocket: compressed frames",
    frame(TEXT, b"\xaa\x56" * 100, first=0xC0),
    more="sec-websocket-extensions: permessage-deflate\r\n",
)
frames("ping-command", "WebSocket: the command ping", command("ping"))
frames("info", "WebSocket: getStreamInfo", command("getStreamInfo", streamId="s1"))
frames("info-100", "the same on 100 sockets", command("getStreamInfo", streamId="s1"), sockets=100)
frames("play", "WebSocket: play and stop", command("play", streamId="s1") + command("stop", streamId="s1"))
frames("garbage", "WebSocket: garbage for JSON", frame(TEXT, b'{"command": nonsense, ' * 4))
frames("halves", "WebSocket: long frames, byte by byte", b"x", before=frame(TEXT, b"x" * 80_000)[:10], sockets=200)


def requests(name: str, shown: str, sent: bytes, *, connections: int = 50, encrypted: bool = False) -> None:
    """A flood of requests on connections that stay open while the server lets them."""

    def run(target: Target) -> None:
        there = deque[socket.socket]()
        while True:
            if len(there) < connections:
                one = target.connect()
                one.sendall(sent)
                one.setblocking(False)
                there.append(one)
                continue
            one = there.popleft()
            try:
                if not one.recv(262_144):
                    raise ConnectionResetError
                one.setblocking(True)
                one.sendall(sent)
                one.setblocking(False)
                there.append(one)
            except BlockingIOError:
                there.append(one)
                time.sleep(0.0001)
            except OSError:
                one.close()

    FLOODS[name] = (shown, run)


SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
LARGE_SDP = SDP + b"a=x:yyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 6_600
TRICKLE = b"a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n" * 100
requests("rest", "REST: requests that are refused", get("/live/rest/v2/broadcasts/s1"))
requests("rest-unknown", "REST: addresses at which there is nothing", get("/live/rest/v2/nothing"))
requests("rest-open", "REST: requests that are answered", get("/rest/v2/authentication-status"))
requests("rest-500", "the same on 500 connections", get("/rest/v2/authentication-status"), connections=500)
requests("pages", "pages and their files", get("/static/rillcast.js"))
requests("whip", "WHIP: POST of 230 kB", post("/live/whip/s9", LARGE_SDP))
requests("whep", "WHEP: POST of 230 kB", post("/live/whep/s1", LARGE_SDP))
requests(
    "patch",
    "WHEP: PATCH with candidates",
    post("/live/whep/s1/x.y", TRICKLE, "PATCH", "application/trickle-ice-sdpfrag", 'if-match: "x"\r\n'),
)
requests("pipelined", "HTTP: 19 requests at once", get("/static/rillcast.js") * 19)
requests("pipelined-many", "HTTP: thousands of requests at once", get("/") * 10_000)
requests("no-http", "HTTP: what is none", b"\x00\x01\x02nonsense\r\n\r\n" * 1_000)
requests("upgrades", "WebSocket: handshakes alone", UPGRADE.replace(b"{more}", b"connection: close\r\n"))


def sign_in(password: str) -> bytes:
    body = json.dumps({"email": "admin", "password": password}).encode()
    return post("/rest/v2/users/authenticate", body, kind="application/json")


requests("sign-in", "REST: wrong passwords", sign_in("wrong"))


@flood("connects", "TCP: connections that are closed at once")
def connects(target: Target) -> None:
    while True:
        with suppress(OSError):
            target.connect().close()


@flood("silent", "TCP: connections on which nothing comes")
def silent(target: Target) -> None:
    there = deque[socket.socket]()
    while True:
        with suppress(OSError):
            there.append(target.connect())
        if len(there) > 6_000:
            there.popleft().close()


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _hello() -> bytes:
    out = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        _context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="here").do_handshake()
    return out.read()


def _half_open(target: Target, sent: bytes) -> None:
    there = deque[socket.socket]()
    while True:
        with suppress(OSError):
            one = target.connect(encrypted=True)
            one.sendall(sent)
            there.append(one)
        if len(there) > 6_000:
            there.popleft().close()


@flood("tls-silent", "TLS: connections on which nothing comes")
def tls_silent(target: Target) -> None:
    _half_open(target, b"")


@flood("tls-begun", "TLS: handshakes that are begun")
def tls_begun(target: Target) -> None:
    _half_open(target, _hello())


@flood("tls-at-once", "TLS: 1000 handshakes begun in one moment, again and again")
def tls_at_once(target: Target) -> None:
    hello = _hello()
    while True:
        there = []
        with suppress(OSError):
            there = [target.connect(encrypted=True) for _ in range(1_000)]
            for one in there:
                one.sendall(hello)
        time.sleep(0.5)
        for one in there:
            one.close()


@flood("tls-full", "TLS: whole handshakes")
def tls_full(target: Target) -> None:
    context = _context()
    while True:
        with suppress(OSError):
            context.wrap_socket(target.connect(encrypted=True)).close()


@flood("tls-kept", "TLS: connections that are kept after their handshake")
def tls_kept(target: Target) -> None:
    context, there = _context(), deque[ssl.SSLSocket]()
    while True:
        with suppress(OSError):
            there.append(context.wrap_socket(target.connect(encrypted=True)))
        if len(there) > 6_000:
            there.popleft().close()


def main() -> None:
    name, plain, encrypted = sys.argv[1:]
    os.nice(10)  # what is measured is not how the flood takes a CPU from its victim
    try:
        FLOODS[name][1](Target(int(plain), int(encrypted)))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
