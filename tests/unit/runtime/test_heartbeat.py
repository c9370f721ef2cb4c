"""Heartbeats: each second, at once when something changed, and a goodbye."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeLoad, NodeReport
from rillcast.contracts.subjects import NODES_REPORTED, node_left
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery.heartbeat import INTERVAL_S, Heartbeat
from rillcast.runtime.tasks.supervisor import Supervisor
from rillcast.testing.bus import FakeBus

INFO = NodeInfo(node=NodeId("edge-1"), kind=NodeKind.EDGE, version="1", admin_address="", incarnation="1")


def report() -> NodeReport:
    return NodeReport(info=INFO, load=NodeLoad(), ready=True)


async def test_nobody_hears_of_a_node_before_its_start() -> None:
    bus = FakeBus()
    heartbeat = Heartbeat(bus, report)
    await heartbeat.beat()
    await heartbeat.stop()
    assert bus.emitted == []


async def test_it_beats_about_once_a_second_until_its_goodbye() -> None:
    bus = FakeBus()
    heartbeat = Heartbeat(bus, report)
    times: list[float] = []

    async def hear(_: str, _report: NodeReport) -> None:
        times.append(asyncio.get_running_loop().time())

    await bus.listen(NODES_REPORTED, NodeReport, hear)
    await heartbeat.start()
    await heartbeat.start()
    await asyncio.sleep(20.5 * INTERVAL_S)
    await heartbeat.stop()
    await heartbeat.stop()
    await bus.settle()

    assert 18 <= len(times) <= 24
    assert all(0.9 * INTERVAL_S <= later - sooner <= 1.1 * INTERVAL_S + 1e-6 for sooner, later in pairwise(times))
    assert [event for subject, event in bus.emitted if subject == node_left(INFO.kind, INFO.node)] == [
        NodeLeft(node=INFO.node, kind=INFO.kind, incarnation=INFO.incarnation)
    ]
    said = len(bus.emitted)
    await asyncio.sleep(5 * INTERVAL_S)
    assert len(bus.emitted) == said
    await bus.close()


async def test_an_outage_of_the_bus_does_not_end_it() -> None:
    bus = FakeBus()
    heartbeat = Heartbeat(bus, report)
    await heartbeat.start()
    bus.connected = False
    await asyncio.sleep(5 * INTERVAL_S)
    bus.connected = True
    before = len(bus.emitted)
    await asyncio.sleep(3 * INTERVAL_S)
    assert len(bus.emitted) > before
    await heartbeat.stop()


async def test_a_bug_in_what_it_reports_ends_the_node_rather_than_only_its_heartbeats() -> None:
    crashed: list[str] = []
    crashes = metrics.TASK_CRASHES.labels("heartbeat")
    before = crashes._value.get()
    reports = [report()]
    heartbeat = Heartbeat(FakeBus(), reports.pop, Supervisor(crashed.append))
    await heartbeat.start()

    await asyncio.sleep(2 * INTERVAL_S)

    assert crashed == ["heartbeat"]
    assert crashes._value.get() == before + 1
