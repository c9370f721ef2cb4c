"""A node's life: whatever it opens is closed exactly once, the last first, on every way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from node_ledger import Ledger, LedgerBus, LicenseSettings, check, node, up_and_down, with_fakes

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.errors import Crashed, StartError, Stopped
from rillcast.runtime.process import draining, first_nodes, start_interrupt
from rillcast.runtime.process.node import Node
from rillcast.testing.eventually import eventually

CONSUL_STEPS = ("admin", "connection", "consul", "listen", "emit", "register")
NATS_STEPS = ("admin", "connection", "listen", "emit")
EVERY_STEP = [("consul", step) for step in CONSUL_STEPS] + [("nats", step) for step in NATS_STEPS]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return with_fakes(monkeypatch)


@pytest.mark.parametrize("discovery", ["nats", "consul"])
async def test_after_a_drain(ledger: Ledger, discovery: str) -> None:
    made = node(discovery)
    drained: list[str] = []

    async def leave() -> None:
        drained.append(made.readiness.sentence())

    async def body() -> None:
        made.on_drain(leave)
        asyncio.get_running_loop().call_later(0.01, made.stop)

    await up_and_down(made, body)
    assert len(drained) == 1
    assert "this node is going away" in drained[0]
    check(ledger)


@pytest.mark.parametrize(("discovery", "step"), EVERY_STEP)
async def test_when_a_step_of_the_start_fails(ledger: Ledger, discovery: str, step: str) -> None:
    async def fail() -> None:
        raise StartError(f"{step} does not work")

    ledger.step_of_fault, ledger.fault = step, fail
    with pytest.raises(StartError, match=step):
        await up_and_down(node(discovery))
    check(ledger)


@pytest.mark.parametrize(("discovery", "step"), EVERY_STEP)
async def test_when_told_to_stop_during_a_step_that_never_ends(ledger: Ledger, discovery: str, step: str) -> None:
    made = node(discovery)

    async def hang() -> None:
        asyncio.get_running_loop().call_soon(made.stop)
        await asyncio.Event().wait()

    ledger.step_of_fault, ledger.fault = step, hang
    with pytest.raises(Stopped):
        await up_and_down(made)
    check(ledger)


async def test_when_told_to_stop_while_the_service_is_wired(ledger: Ledger) -> None:
    made = node()

    async def wait_for_ever() -> None:
        asyncio.get_running_loop().call_soon(made.stop)
        while True:
            await asyncio.sleep(3_600)

    with pytest.raises(Stopped):
        await up_and_down(made, wait_for_ever)
    check(ledger)


async def test_a_wiring_that_swallows_its_cancellation_is_cancelled_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_interrupt, "AGAIN_S", 0.01)
    made = node()

    async def stubborn() -> None:
        asyncio.get_running_loop().call_soon(made.stop)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    with pytest.raises(Stopped):
        await up_and_down(made, stubborn)
    check(ledger)


async def test_a_wiring_that_fails_as_it_is_told_to_stop_is_no_failure(ledger: Ledger) -> None:
    made = node()

    async def fail() -> None:
        made.stop()
        raise ConnectionError("the whole stack goes down")

    with pytest.raises(Stopped):
        await up_and_down(made, fail)
    check(ledger)


async def test_told_to_stop_by_the_wiring_itself_it_drains(ledger: Ledger) -> None:
    made = node()

    async def body() -> None:
        made.stop()

    await up_and_down(made, body)
    check(ledger)


async def test_a_wiring_that_fails_says_so_itself(ledger: Ledger) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await up_and_down(node(), fail)
    check(ledger)


async def test_an_owner_cancelled_by_others_is_cancelled(ledger: Ledger) -> None:
    running = asyncio.ensure_future(up_and_down(node()))
    await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    check(ledger)


@pytest.mark.parametrize("wired", [True, False], ids=["running", "being wired"])
async def test_when_a_task_crashes(ledger: Ledger, wired: bool) -> None:
    made = node()

    async def crash() -> None:
        raise RuntimeError("on purpose")

    async def body() -> None:
        made.spawn(crash(), "crasher")
        if not wired:
            await asyncio.Event().wait()

    with pytest.raises(Crashed, match="crasher"):
        await up_and_down(made, body)
    check(ledger)


async def test_when_a_task_returns_that_should_not(ledger: Ledger) -> None:
    made = node()

    async def leave() -> None:
        pass

    async def body() -> None:
        made.spawn(leave(), "leaver")

    with pytest.raises(Crashed, match="leaver"):
        await up_and_down(made, body)
    check(ledger)


async def test_a_drain_hook_that_ignores_its_end_does_not_hold_the_node(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "CANCEL_AGAIN_S", 0.01)
    made = node(drain_timeout_s=0.01)
    ended = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ended.wait()

    async def body() -> None:
        made.on_drain(stubborn)
        asyncio.get_running_loop().call_soon(made.stop)

    await up_and_down(made, body)
    ended.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    check(ledger)


def report(kind: NodeKind, *, ready: bool = True) -> NodeReport:
    info = NodeInfo(
        node=NodeId(f"{kind}-9"), kind=kind, version="0", admin_address="127.0.0.1:1", incarnation=kind.value
    )
    return NodeReport(info=info, load=NodeLoad(), ready=ready)


@asynccontextmanager
async def one_with_needs(ledger: Ledger, *needs: NodeKind) -> AsyncIterator[Node]:
    made = Node(LicenseSettings(advertise_address="127.0.0.1", log_level="error"), NodeKind.LICENSE, needs=needs)
    async with made:
        running = asyncio.create_task(made.until_stopped())
        yield made
        made.stop()
        await running
    check(ledger)


async def tell(made: Node, said: NodeReport) -> None:
    """A heartbeat of another node arrives."""
    await made.bus.emit(subjects.node_reported(said.info.kind, said.info.node), said)


async def test_it_is_not_ready_before_it_sees_a_node_of_each_kind_it_needs_that_takes_work(ledger: Ledger) -> None:
    async with one_with_needs(ledger, NodeKind.ORIGIN, NodeKind.EDGE) as made:
        await eventually(lambda: made.readiness.sentence() == "nodes: no origin and no edge takes new work yet")
        await tell(made, report(NodeKind.ORIGIN))
        await tell(made, report(NodeKind.EDGE, ready=False))
        await eventually(lambda: made.readiness.sentence() == "nodes: no edge takes new work yet")
        await tell(made, report(NodeKind.EDGE))
        await eventually(lambda: made.readiness.ready)
        assert made._state()["placeable"] == {"signaling": 0, "origin": 1, "edge": 1, "transcoder": 0, "license": 1}


async def test_once_ready_it_stays_so_when_the_nodes_go(ledger: Ledger) -> None:
    async with one_with_needs(ledger, NodeKind.EDGE) as made:
        await tell(made, report(NodeKind.EDGE))
        await eventually(lambda: made.readiness.ready)
        gone = NodeLeft(node=NodeId("edge-9"), kind=NodeKind.EDGE)
        await made.bus.emit(subjects.node_left(gone.kind, gone.node), gone)
        await eventually(lambda: made._placeable()["edge"] == 0)
        assert made.readiness.ready


async def test_it_does_not_wait_for_ever(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_nodes, "PATIENCE_S", 0.05)
    async with one_with_needs(ledger, NodeKind.EDGE) as made:
        await eventually(lambda: made.readiness.ready)


async def test_a_change_of_readiness_is_told_between_two_heartbeats(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillcast.runtime.discovery.heartbeat.INTERVAL_S", 3_600)
    async with one_with_needs(ledger) as made:
        bus = made.bus
        assert isinstance(bus, LedgerBus)

        def told() -> bool:
            reports = [event for _, event in bus.emitted if isinstance(event, NodeReport)]
            return reports[-1].ready

        await eventually(told)
        made.readiness.set("disk", False, "the disk is full")
        await eventually(lambda: not told())
        made.readiness.set("disk", True)
        await eventually(told)
