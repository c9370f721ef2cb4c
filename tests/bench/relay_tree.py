"""The relay tree with real processes:  python -m tests.bench.relay_tree [--page docs/benchmarks/relay_tree.md]

One origin and 12 edges in three zones. An edge feeds two others, so that each zone has three levels. Every inner edge
is killed in turn, and started again. Measured: what the viewers at the other edges see of it, how many copies of a
track cross the border of each zone, and the delay that each level adds. The load of the machine stands beside that.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from rillcast.testing.eventually import eventually
from tests.bench.tree_cluster import TreeCluster, tree_cluster

ZONES = {"origin-1": "a"} | {f"edge-{number}": "bcd"[number % 3] for number in range(1, 13)}
LIMITS = {"origin": {"MAX_CHILDREN": 8}, "edge": {"MAX_CHILDREN": 2}}
VIEWERS = 2
"""At each edge."""
LATENCY_S = 8.0
LONG_S = 3_600.0
SETTLE_S = 5.0
HEARTBEAT_S = 1.2
"""By then every edge has said who feeds it."""


class Kill(msgspec.Struct, frozen=True):
    edge: str
    level: int
    children: int
    gaps_s: tuple[float, ...]
    below_s: dict[int, list[float]]
    """By how many relays the viewers were below it."""
    lost: int
    copies: dict[str, float]
    """Over the border of each zone, when all was over."""


class Delay(msgspec.Struct, frozen=True):
    level: int
    edges: int
    p50_ms: float
    p95_ms: float


class Found(msgspec.Struct, frozen=True):
    levels: dict[str, int]
    copies: dict[str, float]
    delays: tuple[Delay, ...]
    kills: tuple[Kill, ...]
    load: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Before and after."""


async def measure() -> Found:
    """All of it, in some minutes."""
    before = os.getloadavg()
    async with tree_cluster(ZONES, LIMITS) as c:
        await c.publish(LONG_S)
        await eventually(c.flows, 60, "the publisher's media", every_s=0.5)
        await c.watch([edge.name for edge in c.edges], VIEWERS, LONG_S)
        levels, copies = await c.levels(), await c.copies_over_borders()
        delays = [await _delay(c, level, levels) for level in sorted(set(levels.values()))]
        kills = [await _kill(c, edge) for edge in await c.inner()]
        return Found(levels, copies, tuple(delays), tuple(kills), (before, os.getloadavg()))


async def _delay(c: TreeCluster, level: int, levels: dict[str, int]) -> Delay:
    edges = [edge for edge, its in levels.items() if its == level]
    crowd = await c.watch(edges, 1, LATENCY_S, looks=False)
    result = await crowd.task
    c.crowds.remove(crowd)
    latency = result.steady.latency
    return Delay(level, len(edges), latency.p50_us / 1000, latency.p95_us / 1000)


async def _settled(c: TreeCluster) -> dict[str, float]:
    """The copies once they are one for each zone, or after a while: heartbeats tell a parent who started anew."""
    with suppress(AssertionError, TimeoutError):
        await eventually(lambda: _one_copy(c), SETTLE_S, "one copy for each zone", every_s=0.5)
    return await c.copies_over_borders()


async def _one_copy(c: TreeCluster) -> bool:
    return set((await c.copies_over_borders()).values()) == {1.0}


async def _kill(c: TreeCluster, edge: str) -> Kill:
    level = (await c.levels())[edge]
    await asyncio.sleep(HEARTBEAT_S)
    children = (await c.figure("rillcast_edge_relay_children", [c.nodes[edge]]))[edge]
    found = await c.kill(edge)
    await c.nodes[edge].start()
    await c.watch([edge], VIEWERS, LONG_S)
    return Kill(edge, level, int(children), tuple(found.gaps_s), found.below_s, found.lost, await _settled(c))


def quantile(values: Sequence[float], share: float) -> float:
    """By nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def page(found: Found) -> str:
    """The figures as Markdown."""
    felt = [gap for kill in found.kills for gap in kill.gaps_s if gap]
    before, after = (" ".join(f"{figure:.1f}" for figure in load) for load in found.load)
    lines = [
        "# The relay tree",
        "",
        "Written by `python -m tests.bench.relay_tree --page docs/benchmarks/relay_tree.md`.",
        "",
        f"One origin and {len(ZONES) - 1} edges in three zones, as real processes on {os.cpu_count()} cores.",
        f"An edge feeds two others and has {VIEWERS} viewers. The load of the machine (1, 5 and 15 minutes)",
        f"was {before} before and {after} after.",
        "",
        "## The tree",
        "",
        "| level | edges | delay from the publisher, p50 / p95 ms |",
        "|---|---|---|",
        *(f"| {d.level} | {d.edges} | {d.p50_ms:.2f} / {d.p95_ms:.2f} |" for d in found.delays),
        "",
        f"Copies of a track over the border of each zone: {_copies(found.copies)}.",
        "",
        "## Every inner edge killed in turn",
        "",
        "The gap is the longest standstill of a viewer's picture at another edge, if there was one above 150 ms.",
        "",
        "| killed | level | relays to others | viewers with a gap | p50 / p95 / max s | lost | copies afterwards |",
        "|---|---|---|---|---|---|---|",
        *(_row(kill) for kill in found.kills),
        "",
        f"All together: p50 {quantile(felt, 0.5):.2f} s, p95 {quantile(felt, 0.95):.2f} s, "
        f"max {max(felt, default=0):.2f} s, {sum(kill.lost for kill in found.kills)} viewers lost.",
        "",
        "| relays below the killed edge | viewers | with a gap | p50 / p95 / max s |",
        "|---|---|---|---|",
        *(_below(hops, found.kills) for hops in sorted({hops for kill in found.kills for hops in kill.below_s})),
        "",
    ]
    return "\n".join(lines)


def _below(hops: int, kills: Sequence[Kill]) -> str:
    gaps = [gap for kill in kills for gap in kill.below_s.get(hops, ())]
    felt = [gap for gap in gaps if gap]
    figures = f"{quantile(felt, 0.5):.2f} / {quantile(felt, 0.95):.2f} / {max(felt, default=0):.2f}"
    return f"| {hops} | {len(gaps)} | {len(felt)} | {figures} |"


def _row(kill: Kill) -> str:
    felt = [gap for gap in kill.gaps_s if gap]
    gaps = f"{quantile(felt, 0.5):.2f} / {quantile(felt, 0.95):.2f} / {max(felt, default=0):.2f}"
    seen = f"{len(felt)} of {len(kill.gaps_s)}"
    return f"| {kill.edge} | {kill.level} | {kill.children} | {seen} | {gaps} | {kill.lost} | {_copies(kill.copies)} |"


def _copies(copies: dict[str, float]) -> str:
    return ", ".join(f"{zone} {count:g}" for zone, count in sorted(copies.items()))


def main() -> None:
    """Measure, and say or write what was found."""
    options = argparse.ArgumentParser(description="The relay tree with real processes.")
    options.add_argument("--page", type=Path, help="write the figures there as Markdown")
    chosen = options.parse_args()
    text = page(asyncio.run(measure()))
    if chosen.page:
        chosen.page.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
