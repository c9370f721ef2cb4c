"""One process for each node id: newcomers that find a living one, and older ones that yield to their successors."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeConfirm, NodeConfirmed, NodeInfo, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.errors import StartError
from rillcast.runtime.process.sole import IdTaken, Twins, require, stays
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.eventually import within


def info(incarnation: str = "me", kind: NodeKind = NodeKind.EDGE) -> NodeInfo:
    return NodeInfo(
        node=NodeId("edge-1"), kind=kind, version="1", admin_address="10.0.0.1:9120", incarnation=incarnation
    )


def report(incarnation: str, up_s: float, kind: NodeKind = NodeKind.EDGE) -> NodeReport:
    return NodeReport(info=info(incarnation, kind), load=NodeLoad(), ready=True, up_s=up_s)


async def lives(broker: FakeBroker, kind: NodeKind = NodeKind.EDGE, answers: bool = True) -> FakeBus:
    bus = FakeBus(broker)

    async def confirmed(_: NodeConfirm) -> NodeConfirmed:
        if not answers:
            await asyncio.Event().wait()
        return NodeConfirmed(node=NodeId("edge-1"), incarnation="other", signature="")

    await bus.serve(subjects.node_confirm(kind, NodeId("edge-1")), NodeConfirm, confirmed)
    return bus


async def test_nobody_has_the_id() -> None:
    before = asyncio.get_running_loop().time()
    await require(FakeBus(FakeBroker()), info(), patience_s=12.0)
    assert asyncio.get_running_loop().time() == before


@pytest.mark.parametrize("kind", [NodeKind.EDGE, NodeKind.ORIGIN])
async def test_a_living_process_has_it_of_whatever_kind(kind: NodeKind) -> None:
    broker = FakeBroker()
    other = await lives(broker, kind)
    with pytest.raises(StartError, match=rf"edge-1 is that of a living {kind} node .incarnation other.; every node"):
        await require(FakeBus(broker), info(), patience_s=0.0)
    await other.close()


async def test_a_predecessor_on_its_way_out_is_waited_for() -> None:
    broker = FakeBroker()
    other = await lives(broker)
    waiting = asyncio.create_task(require(FakeBus(broker), info(), patience_s=12.0))
    await asyncio.sleep(3.0)
    assert not waiting.done()
    await other.close()
    async with within(5.0, "the newcomer going on"):
        await waiting


async def test_one_that_does_not_answer_is_succeeded() -> None:
    broker = FakeBroker()
    frozen = await lives(broker, answers=False)
    async with within(5.0, "the newcomer going on"):
        await require(FakeBus(broker), info(), patience_s=12.0)
    await frozen.close()


AGES = st.floats(0, 1e6, allow_nan=False)
KINDS = st.sampled_from([NodeKind.EDGE, NodeKind.ORIGIN])


@given(AGES, AGES, KINDS, KINDS)
def test_exactly_one_of_two_stays(mine_s: float, other_s: float, kind: NodeKind, other_kind: NodeKind) -> None:
    if mine_s == other_s and kind is not other_kind:
        return  # they could not both have started
    mine = stays(info("a", kind), mine_s, report("b", other_s, other_kind))
    other = stays(info("b", other_kind), other_s, report("a", mine_s, kind))
    assert mine is not other


def test_the_younger_one_of_a_kind_stays_and_the_older_one_of_two_kinds() -> None:
    assert stays(info(), 1.0, report("other", 100.0))
    assert not stays(info(), 100.0, report("other", 1.0))
    assert stays(info(), 100.0, report("other", 1.0, NodeKind.ORIGIN))
    assert not stays(info(), 1.0, report("other", 100.0, NodeKind.ORIGIN))


class Watching:
    def __init__(self, up_s: float, *, exists: bool = True) -> None:
        self.yielded: list[IdTaken] = []
        self.asked = 0
        self._exists = exists
        self.twins = Twins(info, lambda: up_s, self._look, self.yielded.append)

    async def _look(self, _: NodeInfo) -> bool:
        self.asked += 1
        await asyncio.sleep(0.1)
        return self._exists


async def test_the_older_one_yields_once() -> None:
    site = Watching(100.0)
    for _ in range(5):
        site.twins.heard(report("other", 1.0))
        await asyncio.sleep(1.0)
    assert (len(site.yielded), site.asked) == (1, 1)
    assert "started later (incarnation other, at 10.0.0.1:9120)" in str(site.yielded[0])


async def test_a_made_up_process_is_no_reason_to_yield() -> None:
    site = Watching(100.0, exists=False)
    for _ in range(5):
        site.twins.heard(report("other", 1.0))
        await asyncio.sleep(1.0)
    assert (site.yielded, site.asked) == ([], 5)


async def test_the_one_that_stays_asks_nobody() -> None:
    site = Watching(1.0)
    site.twins.heard(report("other", 100.0))
    await asyncio.sleep(1.0)
    assert (site.yielded, site.asked) == ([], 0)
    await site.twins.close()
