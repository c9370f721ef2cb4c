"""Lifelines and questions on real sockets: with a node, and with whatever else may answer at its address."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery import lifeline
from rillcast.runtime.discovery.lifeline import FAREWELL, Ended, Lifeline
from rillcast.runtime.discovery.suspicion import AdminSays
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import Places
from rillcast.runtime.http.server import bind
from rillcast.runtime.keepalive import KeepAlive, silent_s
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import free_port
from tests.process.lifeline_peers import Behave, admin, answer, described, peer, questions, says, silent

HELLO = b'{"node":"edge-1","incarnation":"1"}\n'


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("rillcast_lifelines_refused_total", {"reason": reason}) or 0.0


class Observer:
    """Holds one lifeline."""

    def __init__(self, info: NodeInfo) -> None:
        self.line = Lifeline(info)
        self.opened = 0
        self.task = asyncio.create_task(self.line.hold(self._held))

    def _held(self) -> None:
        self.opened += 1

    async def held(self) -> None:
        await eventually(lambda: self.line.held, what="the lifeline being held")

    async def ended(self) -> Ended:
        async with within(10, "the end of the lifeline"):
            return await self.task

    async def give_up(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# ---- a node at the other end


async def test_a_node_that_leaves_in_order_says_so() -> None:
    async with admin() as node:
        observers = [Observer(node.info) for _ in range(5)]
        for observer in observers:
            await observer.held()
            assert observer.line.fresh
        await node.lifelines.close()
        assert [await observer.ended() for observer in observers] == [Ended.LEFT] * 5
        assert not observers[0].line.held


async def test_a_listener_that_ends_without_a_word_is_a_loss() -> None:
    async with admin() as node:
        observer = Observer(node.info)
        await observer.held()
        await node.http.stop()
        assert await observer.ended() is Ended.LOST


async def test_lifelines_take_no_place_from_probes() -> None:
    async with admin(Places(50), HttpLimits(connections=3)) as node, questions() as ask:
        observers = []
        for _ in range(30):
            observers.append(Observer(node.info))
            await observers[-1].held()
        for _ in range(5):
            assert await ask.ask_admin(node.info) is AdminSays.SAME
        for observer in observers:
            await observer.give_up()


async def test_a_flood_of_lifelines_is_refused_counted_and_leaves_the_probes_alone() -> None:
    async with admin(Places(4, 3), HttpLimits(connections=10)) as node, questions() as ask:
        before = refusals("address_full")
        held = [Observer(node.info) for _ in range(3)]
        for observer in held:
            await observer.held()
        for _ in range(40):
            assert await Observer(node.info).ended() is Ended.REFUSED
        assert refusals("address_full") - before == 40
        assert await ask.ask_admin(node.info) is AdminSays.SAME
        await held[0].give_up()

        async def free() -> bool:
            later = Observer(node.info)
            await eventually(lambda: later.line.held or later.task.done())
            taken = later.line.held
            await later.give_up()
            return taken

        await eventually(free, what="the place being free again")
        for observer in held[1:]:
            await observer.give_up()


async def test_a_lifeline_of_another_process_is_none() -> None:
    async with admin() as node:
        port = node.http.port
        for wanted in (described(port, incarnation="2"), described(port, node="edge-2")):
            observer = Observer(wanted)
            assert await observer.ended() is Ended.STRANGER
            assert observer.opened == 0


async def test_only_get_is_a_lifeline() -> None:
    async with admin() as node:
        for method in ("HEAD", "POST"):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.http.port)
            writer.write(f"{method} /lifeline HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
            async with within(5, "the refusal"):
                assert (await reader.read()).startswith(b"HTTP/1.1 405 ")
            writer.close()


async def test_whoever_goes_on_talking_on_a_lifeline_is_not_heard() -> None:
    async with admin() as node, questions() as ask:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.http.port)
        writer.write(b"GET /lifeline HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 10)
        async with within(5, "the answers of the admin listener"):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await ask.ask_admin(node.info) is AdminSays.SAME
        writer.close()


async def test_nothing_stays_open() -> None:
    async with admin() as node:
        await Observer(described(node.http.port, node="edge-2")).ended()
        before = open_files()
        observers = [Observer(node.info) for _ in range(10)]
        for observer in observers:
            await observer.held()
        for observer in observers[:5]:
            await observer.give_up()
        await node.lifelines.close()
        assert {await observer.ended() for observer in observers[5:]} == {Ended.LEFT}
        await eventually(lambda: open_files() <= before, what="every descriptor being closed")


async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a peer that shuts its side and never closes the other."""
    await asyncio.sleep(0.1)
    writer.write_eof()
    await silent(reader, writer)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.1)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


GOOD = answer(HELLO, len(HELLO) + len(FAREWELL))


@pytest.mark.parametrize(
    ("behave", "ended", "opened"),
    [
        (silent, Ended.FAILED, 0),
        (says(b"nonsense\r\n\r\n"), Ended.FAILED, 0),
        (says(b""), Ended.FAILED, 0),
        (says(answer(b"", 0, "404 Not Found")), Ended.REFUSED, 0),
        (says(answer(b"no", 2, "503 Service Unavailable")), Ended.REFUSED, 0),
        (says(answer(b"no", 2, "301 Moved\r\nlocation: http://127.0.0.1:1/")), Ended.REFUSED, 0),
        (says(b"HTTP/1.1 200 OK\r\n\r\n" + HELLO, then=silent), Ended.REFUSED, 0),
        (says(answer(HELLO, 10_000_000), then=silent), Ended.REFUSED, 0),
        (says(answer(b"x" * 40, 45), then=silent), Ended.REFUSED, 0),
        (says(answer(HELLO[:5], len(HELLO) + len(FAREWELL)), then=silent), Ended.FAILED, 0),
        (says(GOOD, then=half_close), Ended.LOST, 1),
        (says(GOOD, then=reset), Ended.LOST, 1),
        (says(GOOD, b"lef"), Ended.LOST, 1),
        (says(GOOD, b"LEFT\n"), Ended.LOST, 1),
        (says(GOOD, FAREWELL), Ended.LEFT, 1),
        (says(*(GOOD[at : at + 1] for at in range(len(GOOD))), FAREWELL, pause_s=0.005), Ended.LEFT, 1),
    ],
)
async def test_whatever_answers_ends_as_what_it_is(
    behave: Behave, ended: Ended, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only who fails may fail for being slow.
    monkeypatch.setattr(lifeline, "HELLO_S", 1.0 if ended is Ended.FAILED else 60.0)
    async with peer(behave) as info:
        observer = Observer(info)
        assert (await observer.ended(), observer.opened) == (ended, opened)


async def test_nobody_at_the_address_is_a_failure() -> None:
    assert await Observer(described(free_port())).ended() is Ended.FAILED
    nonsense = NodeInfo(
        node=NodeId("edge-1"), kind=NodeKind.EDGE, version="0", admin_address="] no : address", incarnation="1"
    )
    assert await Observer(nonsense).ended() is Ended.FAILED


# ---- the kernel


async def test_connections_of_a_listener_are_kept_alive_as_it_is_told() -> None:
    listener = bind("127.0.0.1", 0, "PORT", KeepAlive(idle_s=15, every_s=5, give_up_s=30))
    with listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        silence = silent_s(client)
        assert silence is not None
        assert silence < 5
    assert silent_s(client) is None
