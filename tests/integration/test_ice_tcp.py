"""Clients of a plane by TCP: real peers, whose datagrams a hand-made end of RFC 4571 carries, and strangers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from rillcast.media import protocol as p
from rillcast.testing.eventually import eventually, within
from tests.integration.plane_rig import Rig, frames, peer, publish, rig, view
from tests.integration.test_validated_paths import nomination, publishing

CONNECTIONS = 16
SMALL_WINDOW = 4_096
"""Of a client that reads slowly, so that little is on its way."""


class Carrier(asyncio.DatagramProtocol):
    """Takes the datagrams of one peer on a port of its own, and carries them to the plane on a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self._reader = reader
        self._writer = writer
        self._peer: tuple[str | Any, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._peer = addr
        # In two pieces, which the plane has to put together.
        framed = struct.pack("!H", len(data)) + data
        self._writer.write(framed[:3])
        self._writer.write(framed[3:])

    async def run(self) -> None:
        """Carries what comes from the plane, until that closes the connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
                datagram = await self._reader.readexactly(length)
                await self.reads.wait()
                if self._transport is not None and self._peer is not None:
                    self._transport.sendto(datagram, self._peer)

    def cut(self) -> None:
        """Begins a datagram, and closes the connection in the middle of it."""
        self._writer.write(struct.pack("!H", 100) + bytes(10))
        self._writer.close()


@asynccontextmanager
async def carrier(r: Rig, *, window: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Carrier]:
    """Whoever is described to the plane in this block goes by TCP. `window`: how much may be on its way, if not 0.
    `host`: where the plane is."""
    loop, media_port = asyncio.get_running_loop(), r.plane.workers[0].media_port
    connected = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if window:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    connected.setblocking(False)
    await loop.sock_connect(connected, (host, media_port))
    reader, writer = await asyncio.open_connection(sock=connected, limit=SMALL_WINDOW)
    transport, made = await loop.create_datagram_endpoint(lambda: Carrier(reader, writer), local_addr=("127.0.0.1", 0))
    carrying = asyncio.create_task(made.run())
    r.announced[0] = transport.get_extra_info("sockname")[1]
    try:
        yield made
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        transport.close()
        writer.close()


async def connections(r: Rig, wanted: int) -> None:
    """Waits until the plane has so many."""

    def seen() -> bool:
        told = [e.tcp_connections for e in r.events if isinstance(e, p.WorkerStats)]
        return told[-1:] == [wanted]

    await eventually(seen, 40, f"{wanted} TCP connections")


async def counted(r: Rig, reason: str, least: int = 1) -> None:
    await eventually(lambda: r.counted(reason) >= least, 40, f"{reason} is counted")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_publisher_and_a_viewer_by_tcp_alone(host: str) -> None:
    async with rig(tcp_connections=CONNECTIONS, bind=host) as r, AsyncExitStack() as stack:
        await stack.enter_async_context(carrier(r, host=host))
        publisher = await stack.enter_async_context(peer())
        published = await publish(r, publisher)
        await publishing(r, published)
        await stack.enter_async_context(carrier(r, host=host))
        viewer = await stack.enter_async_context(peer())
        watching = await view(r, viewer, published)
        greys = await frames(viewer, 30)
        assert max(greys) > min(greys)
        await connections(r, 2)
        r.plane.execute(p.RemoveSession(session=p.PlaneSession(watching)))
        await connections(r, 1)


async def test_a_viewer_that_reads_nothing_loses_packets_and_holds_nobody_up() -> None:
    async with rig(tcp_connections=CONNECTIONS) as r, peer() as publisher, AsyncExitStack() as stack:
        published = await publish(r, publisher)
        await publishing(r, published)
        other = await stack.enter_async_context(peer())
        await view(r, other, published)
        slow = await stack.enter_async_context(carrier(r, window=SMALL_WINDOW))
        viewer = await stack.enter_async_context(peer())
        watching = await view(r, viewer, published)
        await frames(viewer, 5)

        slow.reads.clear()

        async def filled() -> None:
            """Sends more than the system keeps for a connection."""
            probe = p.Probe(session=p.PlaneSession(watching), track=0, bitrate_bps=10_000_000, duration_ms=3_000)
            while True:
                r.plane.execute(probe)
                await asyncio.sleep(3.0)

        filling = asyncio.create_task(filled())
        await counted(r, "tcp_dropped")
        filling.cancel()
        await frames(other, 30)
        slow.reads.set()

        await frames(viewer, 10)
        assert not [e for e in r.events if isinstance(e, p.SessionClosed)]


async def test_a_viewer_whose_connection_is_cut_in_a_datagram_ends_like_any_other_and_the_rest_goes_on() -> None:
    async with rig(tcp_connections=CONNECTIONS) as r, peer() as publisher, AsyncExitStack() as stack:
        published = await publish(r, publisher)
        await publishing(r, published)
        other = await stack.enter_async_context(peer())
        await view(r, other, published)
        cut = await stack.enter_async_context(carrier(r))
        viewer = await stack.enter_async_context(peer())
        await view(r, viewer, published)
        await frames(viewer, 5)

        cut.cut()
        await connections(r, 0)
        await frames(other, 30)


def connect(r: Rig) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", r.plane.workers[0].media_port), timeout=30)
    made.setblocking(False)
    return made


async def is_closed(one: socket.socket) -> bool:
    """Waits until the plane has closed it."""
    async with within(60, "the end of the connection"):
        try:
            return await asyncio.get_running_loop().sock_recv(one, 100) == b""
        except ConnectionError:
            return True


async def test_strangers_are_closed_whatever_they_say_or_if_they_say_nothing() -> None:
    async with rig(tcp_connections=CONNECTIONS) as r:
        said = [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01\x80", struct.pack("!H", 20) + bytes(20), b"\x00"]
        strangers = [connect(r) for _ in said]
        try:
            for stranger, first in zip(strangers, said, strict=True):
                stranger.send(first)
            assert all([await is_closed(stranger) for stranger in strangers])
            await connections(r, 0)
            await counted(r, "tcp_no_check", 4)
        finally:
            for stranger in strangers:
                stranger.close()


async def test_a_flood_of_connections_from_one_address_is_bounded_and_viewers_go_on() -> None:
    async with rig(tcp_connections=CONNECTIONS) as r, peer() as publisher, AsyncExitStack() as stack:
        published = await publish(r, publisher)
        await publishing(r, published)
        await stack.enter_async_context(carrier(r))
        viewer = await stack.enter_async_context(peer())
        await view(r, viewer, published)
        await frames(viewer, 5)

        flood = [connect(r) for _ in range(4 * CONNECTIONS)]
        try:
            await counted(r, "tcp_share", 3 * CONNECTIONS)
            await frames(viewer, 20)
            assert max(e.tcp_connections for e in r.events if isinstance(e, p.WorkerStats)) <= CONNECTIONS // 2
            await connections(r, 1)
            assert all([await is_closed(one) for one in flood])
        finally:
            for one in flood:
                one.close()


async def test_a_connection_gets_nothing_but_checks_before_it_has_answered() -> None:
    async with rig(tcp_connections=CONNECTIONS) as r, peer() as publisher, peer() as viewer:
        published = await publish(r, publisher)
        await publishing(r, published)
        watching = await view(r, viewer, published, start=False)
        ice = r.ice[watching]
        check = nomination(f"{ice.local_ufrag}:{ice.remote_ufrag}", ice.local_pwd)
        stranger = connect(r)
        try:
            stranger.send(struct.pack("!H", len(check)) + check)
            await r.wait_for(lambda e: isinstance(e, p.SessionClosed) and e.session == watching, 60.0)
            reader, writer = await asyncio.open_connection(sock=stranger)
            async with within(30, "all that came"):
                came = await reader.read()
            writer.close()
            assert 0 < len(came) <= 3 * len(check)
            while came:
                (length,) = struct.unpack("!H", came[:2])
                assert came[2] < 4, "all of it is STUN"
                came = came[2 + length :]
        finally:
            stranger.close()


async def test_nobody_is_listened_to_by_tcp_unless_it_is_wished() -> None:
    async with rig() as r:
        with socket.socket() as probe:
            probe.settimeout(30)
            assert probe.connect_ex(("127.0.0.1", r.plane.workers[0].media_port)) != 0
