"""Questions whether a node lives, on the bus and at its admin listener."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from rillcast.contracts.messages import NodeConfirm, NodeConfirmed
from rillcast.contracts.subjects import node_confirm
from rillcast.runtime.discovery.questions import CannotAsk, confirmation
from rillcast.runtime.discovery.suspicion import AdminSays, BusSays
from rillcast.runtime.process.identity import NodeIdentity
from rillcast.testing.bus import FakeBroker, FakeBus
from tests.process.lifeline_peers import Behave, admin, answer, described, peer, questions, says, silent


async def test_the_admin_listener_says_whose_it_is() -> None:
    async with admin() as node, questions() as ask:
        port = node.http.port
        assert await ask.ask_admin(node.info) is AdminSays.SAME
        assert await ask.ask_admin(described(port, incarnation="2")) is AdminSays.OTHER
        assert await ask.ask_admin(described(port, node="edge-2")) is AdminSays.SILENT, "another node proves nothing"
        await node.lifelines.close()
        await node.http.stop()
        assert await ask.ask_admin(node.info) is AdminSays.REFUSED


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        says(b"nonsense\r\n\r\n"),
        says(b""),
        says(answer(b"no", 2, "503 Service Unavailable")),
        says(answer(b"ok\n", 3)),
    ],
)
async def test_who_accepts_and_does_not_say_who_he_is_proves_nothing(behave: Behave) -> None:
    async with peer(behave) as info, questions(patience_s=2.0) as ask:
        assert await ask.ask_admin(info) is AdminSays.SILENT


async def test_a_machine_that_takes_no_connection_is_unreachable() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (first, second):
            client.setblocking(False)
            assert client.connect_ex(full.getsockname()) in {0, errno.EINPROGRESS}
        async with questions(patience_s=0.4) as ask:
            assert await ask.ask_admin(described(full.getsockname()[1])) is AdminSays.UNREACHABLE


class Node:
    """Serves the question on the bus, as the test says."""

    def __init__(self, broker: FakeBroker) -> None:
        self.bus = FakeBus(broker)
        self.identity = NodeIdentity()
        self.info = described(1, identity=self.identity.public)
        self.asked: list[str] = []

    async def serve(self, by: NodeIdentity, incarnation: str = "1", *, old: str = "", hangs: bool = False) -> None:
        async def confirm(question: NodeConfirm) -> NodeConfirmed:
            self.asked.append(question.challenge)
            if hangs:
                await asyncio.sleep(3600)
            signed = confirmation(old or question.challenge, self.info.node, incarnation)
            return NodeConfirmed(node=self.info.node, incarnation=incarnation, signature=by.sign(signed))

        await self.bus.serve(node_confirm(self.info.kind, self.info.node), NodeConfirm, confirm)


async def test_a_signed_answer_on_the_bus_is_of_that_process() -> None:
    broker = FakeBroker()
    node = Node(broker)
    async with questions(FakeBus(broker)) as ask:
        assert await ask.ask_bus(node.info) is BusSays.NOBODY
        await node.serve(node.identity)
        assert await ask.ask_bus(node.info) is BusSays.ANSWERED
        assert await ask.ask_both(node.info) == (BusSays.ANSWERED, AdminSays.REFUSED)
    assert len(set(node.asked)) == len(node.asked) >= 2, "two questions, and one more for each first try that was slow"


@pytest.mark.parametrize("how", ["another key", "another incarnation", "an earlier answer", "nothing"])
async def test_what_is_not_signed_by_that_process_is_no_answer(how: str) -> None:
    broker = FakeBroker()
    node = Node(broker)
    await node.serve(
        NodeIdentity() if how == "another key" else node.identity,
        "2" if how == "another incarnation" else "1",
        old="earlier" if how == "an earlier answer" else "",
        hangs=how == "nothing",
    )
    async with questions(FakeBus(broker), patience_s=0.4) as ask:
        assert await ask.ask_bus(node.info) is BusSays.SILENT


async def test_a_bus_that_is_down_says_nothing_of_the_node() -> None:
    bus = FakeBus()
    bus.connected = False
    async with questions(bus) as ask:
        with pytest.raises(CannotAsk):
            await ask.ask_both(described(1))
