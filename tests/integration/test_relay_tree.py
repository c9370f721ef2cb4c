"""Edges that feed edges as real processes: one copy for each zone, and an inner edge that is killed under viewers."""

from __future__ import annotations

from rillcast.testing.eventually import eventually
from rillcast.testing.services import MAX_LOOP_LAG_MS
from tests.bench.tree_cluster import TRACKS, TreeCluster, tree_cluster

ZONES = {"origin-1": "a", "edge-1": "b", "edge-2": "b", "edge-3": "b", "edge-4": "c", "edge-5": "c"}
FEW = {
    "origin": {"MAX_CHILDREN": 8, "MAX_LOOP_LAG_MS": MAX_LOOP_LAG_MS},
    "edge": {"MAX_CHILDREN": 1, "MAX_LOOP_LAG_MS": MAX_LOOP_LAG_MS},
}
"""An edge feeds one other, so that three edges in a zone make a chain."""
LONG_S = 600
"""Longer than the test."""


async def test_one_copy_goes_to_each_zone_and_viewers_outlive_an_inner_edge() -> None:
    async with tree_cluster(ZONES, FEW) as c:
        await c.publish(LONG_S)
        await eventually(c.flows, 30, "the publisher's media", every_s=0.2)
        for edge in c.edges:  # one after the other: who can't be reached in time is passed over
            await c.watch([edge.name], 1, LONG_S)

        levels = await eventually(lambda: _levels(c), 15, "three levels in one zone and two in the other", every_s=0.3)
        await eventually(lambda: _one_copy(c), 15, "one copy in each zone", every_s=0.3)
        origin = await c.figure("rillcast_origin_relays", [c.nodes["origin-1"]])
        assert origin == {"origin-1": 2 * TRACKS}

        heads = [name for name, level in levels.items() if level == 1 and c.nodes[name].zone == "b"]
        found = await c.kill(heads[0])

        assert len(found.gaps_s) == 4, "the viewers at the other edges keep their sessions"
        await eventually(lambda: not c.standing(), 30, "pictures that move at all other edges")
        await eventually(lambda: _one_copy(c), 15, "one copy in each zone again", every_s=0.3)


async def _levels(c: TreeCluster) -> dict[str, int]:
    levels = await c.levels()
    assert sorted(levels.values()) == [1, 1, 2, 2, 3], levels
    return levels


async def _one_copy(c: TreeCluster) -> bool:
    assert await c.copies_over_borders() == {"b": 1, "c": 1}
    return True
