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
from rillcast.runtime.process.sole import TOGETHER_S, IdTaken, Twins, Verdict, judge, require
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


TIMES = st.integers(0, 10**9).map(lambda ms: ms / 1_000)
SHORT = st.integers(0, 5_000).map(lambda ms: ms / 1_000)
KINDS = st.sampled_from([NodeKind.EDGE, NodeKind.ORIGIN])


WAYS = st.tuples(SHORT, SHORT)
"""How long a question and its answer are on their way."""


@given(TIMES, SHORT, WAYS, WAYS, KINDS)
def test_never_do_both_stay_and_never_do_both_yield(
    age_s: float, apart_s: float, mine_s: tuple[float, float], others_s: tuple[float, float], other_kind: NodeKind
) -> None:
    mine, other = 10.0 + age_s, 10.0 + age_s + apart_s
    me, it = info("a"), info("b", other_kind)
    first = judge(me, (mine, mine + sum(mine_s)), it, other + mine_s[0])
    second = judge(it, (other, other + sum(others_s)), me, mine + others_s[0])
    if apart_s > TOGETHER_S:
        assert {first, second} not in ({Verdict.STAYS}, {Verdict.YIELDS})
    if apart_s > max(sum(mine_s), sum(others_s)) + 0.001:
        assert {first, second} == {Verdict.STAYS, Verdict.YIELDS}


def test_two_that_started_together_are_told_apart_by_their_incarnations() -> None:
    assert judge(info("a"), (1.0, 1.01), info("b"), 1.005) is Verdict.YIELDS
    assert judge(info("b"), (1.0, 1.01), info("a"), 1.005) is Verdict.STAYS
    assert judge(info("b"), (1.0, 1.4), info("a"), 1.2) is Verdict.UNKNOWN


def test_the_younger_one_of_a_kind_stays_and_the_older_one_of_two_kinds() -> None:
    young, old, origin = (1.0, 1.01), (2.1, 2.11), NodeKind.ORIGIN
    assert judge(info("a"), young, info("b"), 2.1) is Verdict.STAYS
    assert judge(info("b"), old, info("a"), 1.0) is Verdict.YIELDS
    assert judge(info("b"), old, info("a", origin), 1.0) is Verdict.STAYS
    assert judge(info("a"), young, info("b", origin), 2.1) is Verdict.YIELDS


class Watching:
    def __init__(self, up_s: float, other_up_s: float | None) -> None:
        self.yielded: list[IdTaken] = []
        self.asked = 0
        self._other_up_s = other_up_s
        self.twins = Twins(info, lambda: up_s, self._age_of, self.yielded.append)

    async def _age_of(self, _: NodeInfo) -> float | None:
        self.asked += 1
        await asyncio.sleep(0.1)
        return self._other_up_s

    async def hear(self, up_s: float) -> None:
        for _ in range(5):
            self.twins.heard(report("other", up_s))
            await asyncio.sleep(1.0)


async def test_the_older_one_yields_once() -> None:
    site = Watching(100.0, 1.0)
    await site.hear(1.0)
    assert (len(site.yielded), site.asked) == (1, 1)
    assert "that stays (incarnation other, at 10.0.0.1:9120)" in str(site.yielded[0])


async def test_a_made_up_process_is_no_reason_to_yield() -> None:
    site = Watching(100.0, None)
    await site.hear(1.0)
    assert (site.yielded, site.asked) == ([], 5)


async def test_a_heartbeat_that_waited_long_decides_nothing() -> None:
    site = Watching(100.0, 105.0)
    await site.hear(1.0)
    assert site.yielded == []
    await site.twins.close()
