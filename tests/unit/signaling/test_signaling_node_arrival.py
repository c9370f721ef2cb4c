"""A join that finds no node waits for one: until its own time is over, it leaves, or too many wait."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.words import NodeKind
from services.signaling import metrics
from services.signaling.core.usecases.node_arrival import LOOK_EVERY_S, NodeArrival

OUTCOMES = ("found", "in_vain", "left", "too_many")


class Cluster:
    """Whether a node can be placed on."""

    def __init__(self) -> None:
        self.there = False
        self.looks = 0

    def placeable(self) -> bool:
        self.looks += 1
        return self.there


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def now_s() -> float:
    return asyncio.get_running_loop().time()


def counts() -> dict[str, float]:
    return {one: metrics.NODE_WAITS.labels("edge", one)._value.get() for one in OUTCOMES}


def counted(before: dict[str, float]) -> dict[str, float]:
    return {one: n - before[one] for one, n in counts().items() if n != before[one]}


async def wait(arrival: NodeArrival, cluster: Cluster, wait_s: float, left: asyncio.Event | None = None) -> bool:
    return await arrival.wait(NodeKind.EDGE, cluster.placeable, until=now_s() + wait_s, left=left)


async def test_a_node_that_comes_is_seen_within_one_look(cluster: Cluster) -> None:
    before, began = counts(), now_s()
    waiting = asyncio.ensure_future(wait(NodeArrival(wait_s=5, most=1), cluster, 5))
    await asyncio.sleep(2)
    assert not waiting.done()

    cluster.there = True

    assert await waiting
    assert now_s() - began <= 2 + LOOK_EVERY_S + 0.001
    assert counted(before) == {"found": 1}


async def test_a_node_that_is_there_already_costs_no_wait(cluster: Cluster) -> None:
    cluster.there, began = True, now_s()
    assert await wait(NodeArrival(wait_s=5, most=1), cluster, 5)
    assert now_s() == began


async def test_without_a_node_it_ends_when_its_time_is_over(cluster: Cluster) -> None:
    before, began = counts(), now_s()
    assert not await wait(NodeArrival(wait_s=5, most=1), cluster, 0.25)
    assert now_s() - began == pytest.approx(0.25)
    assert counted(before) == {"in_vain": 1}


async def test_a_node_that_comes_with_the_last_look_is_found(cluster: Cluster) -> None:
    asyncio.get_running_loop().call_later(0.99, setattr, cluster, "there", True)
    assert await wait(NodeArrival(wait_s=5, most=1), cluster, 1)


async def test_a_join_whose_time_is_over_already_is_not_counted_as_waiting(cluster: Cluster) -> None:
    cluster.there, before = True, counts()
    assert not await wait(NodeArrival(wait_s=5, most=1), cluster, 0)
    assert (cluster.looks, counted(before)) == (0, {})


async def test_a_client_that_leaves_ends_its_wait_at_once(cluster: Cluster) -> None:
    before, left = counts(), asyncio.Event()
    waiting = asyncio.ensure_future(wait(NodeArrival(wait_s=60, most=1), cluster, 60, left))
    await asyncio.sleep(1)

    left.set()
    cluster.there = True

    at = now_s()
    assert not await waiting
    assert now_s() == at
    assert counted(before) == {"left": 1}


async def test_so_many_wait_and_the_next_is_told_at_once(cluster: Cluster) -> None:
    arrival, before = NodeArrival(wait_s=5, most=2), counts()
    waiting = [asyncio.ensure_future(wait(arrival, cluster, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    at = now_s()

    assert not await wait(arrival, cluster, 5)

    assert now_s() == at
    assert counted(before) == {"too_many": 1}
    assert await asyncio.gather(*waiting) == [False, False]


@pytest.mark.parametrize("end", ["in vain", "left", "cancelled", "found", "failed"])
async def test_however_a_wait_ends_its_place_is_free_again(cluster: Cluster, end: str) -> None:
    arrival, left = NodeArrival(wait_s=5, most=1), asyncio.Event()

    def look() -> bool:
        if end == "failed" and cluster.looks > 2:
            raise KeyError("a bug")
        return cluster.placeable()

    first = asyncio.ensure_future(arrival.wait(NodeKind.EDGE, look, until=now_s() + 1, left=left))
    await asyncio.sleep(0.35)
    if end == "left":
        left.set()
    elif end == "cancelled":
        first.cancel()
    elif end == "found":
        cluster.there = True
    await asyncio.wait([first])

    cluster.there = True
    assert await wait(arrival, cluster, 5)
