"""Places in which joins are opened, or wait for a node: no address has all of them."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from services.signaling import metrics
from tests.unit.signaling.join_site import EDGE, NEVER, ORIGIN, Site, now, passes

STRANGER, OTHER = "192.0.2.1", "198.51.100.7"


def refused(place: str, why: str) -> float:
    return float(metrics.PLACES_REFUSED.labels(place, why)._value.get())


@pytest.mark.parametrize("kind", [EDGE, ORIGIN])
def test_an_address_whose_joins_are_all_being_opened_leaves_places_to_others(kind: NodeKind) -> None:
    async def check() -> None:
        site, before = Site(max_opening=10), refused("opening", "address_full")
        site.has("n1", kind)
        site.answers_after_s[NodeId("n1")] = NEVER
        async with asyncio.TaskGroup() as joining:
            flood = [joining.create_task(site.joins_at(kind=kind, counted_as=STRANGER)) for _ in range(10)]
            await asyncio.sleep(0.1)
            turned_away = [task for task in flood if task.done()]
            site.answers_after_s.clear()

            assert await site.joins_at(kind=kind, counted_as=OTHER) == "n1"
            assert [task.result() for task in turned_away] == ["HIGH_RESOURCE_USAGE"] * 5
            assert refused("opening", "address_full") == before + 5

        site.answers_after_s.clear()
        assert await site.joins_at(kind=kind, counted_as=STRANGER) == "n1", "places come free again"

    passes(check)


def test_an_address_whose_joins_all_wait_for_a_node_leaves_places_to_others() -> None:
    async def check() -> None:
        site, before = Site(max_waits=10), refused("node_wait", "address_full")
        async with asyncio.TaskGroup() as joining:
            flood = [joining.create_task(site.joins_at(counted_as=STRANGER)) for _ in range(10)]
            await asyncio.sleep(0.1)
            assert [task.result() for task in flood if task.done()] == ["NO_NODE_AVAILABLE"] * 5
            assert refused("node_wait", "address_full") == before + 5
            asyncio.get_running_loop().call_later(0.5, site.has, "e1")

            assert await site.joins_at(counted_as=OTHER) == "e1"
            assert now() == pytest.approx(0.6, abs=0.2)

        site.has_no_more("e1")
        asyncio.get_running_loop().call_later(0.5, site.has, "e1")
        assert await site.joins_at(counted_as=STRANGER) == "e1", "places come free again"

    passes(check)
