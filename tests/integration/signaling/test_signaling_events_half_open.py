"""Who listens to events and does not read them, or vanishes without a word: it is let go, and nothing of it stays.

For the second one Linux, root and ``ip`` are needed: the client is in a network of its own, which a pair of virtual
interfaces joins to this machine.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from prometheus_client import REGISTRY

from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.runtime.errors import StartError
from rillcast.runtime.http.server import CLIENTS, HttpServer, bind
from rillcast.runtime.keepalive import KeepAlive
from rillcast.testing.eventually import eventually
from services.signaling import app
from services.signaling.app import http_limits, http_options
from services.signaling.config import SignalingSettings
from services.signaling.core.usecases.event_feed import MOST_BYTES
from services.signaling.rest.adapters import server_sent
from services.signaling.tls.wire import listen
from tests.integration.signaling.wire import WireCluster

PATH = "/rillcast/v1/events"
SUBNET = f"10.79.{os.getpid() % 256}"
"""Of this process: another worker of pytest-xdist may have a network at the same time."""
OURS, THEIRS = f"{SUBNET}.1", f"{SUBNET}.2"
NEVER_READS = """
import socket, sys
asked = socket.create_connection((sys.argv[1], int(sys.argv[2])))
asked.sendall(sys.stdin.buffer.read(int(sys.argv[3])))
sys.stdin.buffer.read()
"""


def request(c: WireCluster, host: str) -> bytes:
    shown = "".join(f"{name}: {value}\r\n" for name, value in c.credentials.items())
    return f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\n{shown}\r\n".encode()


def cut() -> float:
    labels = {"reason": "not_taken"}
    return REGISTRY.get_sample_value("rillcast_signaling_event_listeners_cut_total", labels) or 0.0


def listeners() -> float | None:
    return REGISTRY.get_sample_value("rillcast_signaling_event_listeners")


async def test_what_waits_for_one_that_never_reads_is_bounded_and_all_of_it_closes(
    c: WireCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_sent, "SEND_S", 0.5)
    feed, before, many = c.service.core.happens.feed, cut(), 0
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stalled.connect(("127.0.0.1", c.port))
        stalled.sendall(request(c, "localhost"))
        await eventually(lambda: len(feed) == 1, 10.0, "the listener")

        async def is_cut() -> bool:
            nonlocal many
            for _ in range(1_000):
                c.service.core.happens.chronicle.note(
                    ClusterEvent(kind=EventKind.NODE_JOINED, at_ms=many, why="x" * 250, zone="y" * 250)
                )
            many += 1_000
            assert feed._recent.size <= MOST_BYTES
            return cut() == before + 1

        await eventually(is_cut, 60.0, "the listener being cut off")
        await eventually(lambda: len(feed) == 0, 10.0, "its place")
        got = await asyncio.to_thread(_all_of, stalled)
    assert got < 32 * 1024 * 1024
    assert listeners() == 0


def _all_of(sock: socket.socket) -> int:
    """How many bytes come until the server's end of the connection, which must come."""
    sock.settimeout(20.0)
    got = 0
    try:
        while piece := sock.recv(65_536):
            got += len(piece)
    except ConnectionResetError:
        pass
    return got


def can_make_networks() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("ip") is not None


@pytest.mark.skipif(not can_make_networks(), reason="needs Linux, root and ip")
async def test_one_whose_machine_vanishes_is_let_go(c: WireCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent, "PAUSE_S", 0.2)
    feed = c.service.core.happens.feed
    async with elsewhere() as name:
        keep_alive = KeepAlive(idle_s=1, every_s=1, give_up_s=3)
        server = HttpServer(
            c.service.asgi, bind(OURS, 0, "test", keep_alive), http_limits(c.settings), **http_options()
        )
        await server.start()
        try:
            asked = request(c, OURS)
            client = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", name, sys.executable, "-c", NEVER_READS, OURS, str(server.port)),
                str(len(asked)),
                stdin=asyncio.subprocess.PIPE,
            )
            assert client.stdin is not None
            client.stdin.write(asked)
            await eventually(lambda: len(feed) == 1, 30.0, "the listener")
            await _ip("-n", name, "addr", "del", f"{THEIRS}/24", "dev", f"{name}i")

            await eventually(lambda: len(feed) == 0, 60.0, "its place")
            assert client.returncode is None, "it has not closed anything"
            assert listeners() == 0
            client.stdin.close()
            await client.wait()
        finally:
            await server.stop()


async def test_both_listeners_of_signaling_ask_whether_clients_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[KeepAlive | None] = []

    def bound(host: str, port: int, setting: str, keep_alive: KeepAlive | None = None) -> socket.socket:
        given.append(keep_alive)
        raise StartError("no further")

    monkeypatch.setattr(app, "bind", bound)
    with pytest.raises(StartError, match="no further"):
        await app.run(SignalingSettings())
    assert given == [CLIENTS]

    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(path := str(tmp_path / "pem"))
    settings = SignalingSettings(host="127.0.0.1", tls_port=0, tls_certificate=path, tls_key=path)
    listener = listen(settings)
    assert listener is not None
    with listener.sock as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == CLIENTS.give_up_s * 1_000 == 60_000


@asynccontextmanager
async def elsewhere() -> AsyncIterator[str]:
    """The name of a network namespace that reaches this machine."""
    name = f"rv{secrets.token_hex(3)}"
    try:
        await _ip("netns", "add", name)
        await _ip("link", "add", f"{name}o", "type", "veth", "peer", "name", f"{name}i", "netns", name)
        await _ip("addr", "add", f"{OURS}/24", "dev", f"{name}o")
        await _ip("link", "set", f"{name}o", "up")
        await _ip("-n", name, "addr", "add", f"{THEIRS}/24", "dev", f"{name}i")
        await _ip("-n", name, "link", "set", f"{name}i", "up")
        yield name
    finally:
        await _ip("link", "del", f"{name}o", must=False)  # the one inside goes with it
        await _ip("netns", "del", name, must=False)


async def _ip(*arguments: str, must: bool = True) -> None:
    process = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0 or not must, f"ip {' '.join(arguments)}: {said.decode(errors='replace')}"
