"""A node that needs others waits for them, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.process import first_nodes
from rillcast.runtime.process.readiness import Readiness

NEEDS = (NodeKind.ORIGIN, NodeKind.EDGE)


def report(kind: NodeKind, ready: bool = True) -> NodeReport:
    info = NodeInfo(node=NodeId(f"{kind}-1"), kind=kind, version="1", admin_address="10.0.0.1:9100", incarnation="1")
    return NodeReport(info=info, load=NodeLoad(), ready=ready)


async def test_it_waits_for_one_of_each_kind_that_takes_new_work() -> None:
    directory, readiness = NodeDirectory(), Readiness()
    first_nodes.expect(readiness)
    assert not readiness.ready
    meeting = asyncio.create_task(first_nodes.meet(directory, NEEDS, readiness))

    await asyncio.sleep(0.1)
    assert readiness.sentence() == "nodes: no origin and no edge takes new work yet"
    directory.heard(report(NodeKind.ORIGIN))
    directory.heard(report(NodeKind.EDGE, ready=False))
    await asyncio.sleep(0.1)
    assert readiness.sentence() == "nodes: no edge takes new work yet"
    directory.heard(report(NodeKind.EDGE))
    await meeting

    assert readiness.ready


async def test_after_a_while_it_goes_on_without_them() -> None:
    readiness = Readiness()
    first_nodes.expect(readiness)
    before = asyncio.get_running_loop().time()
    await first_nodes.meet(NodeDirectory(), NEEDS, readiness)
    assert asyncio.get_running_loop().time() - before == pytest.approx(first_nodes.PATIENCE_S)
    assert readiness.ready
