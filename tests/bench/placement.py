"""What placement costs in a small and in a great cluster:  python -m tests.bench.placement [--page PAGE]

Hollow nodes (`hollow`): their heartbeats go into the real directory, and viewers join by the real `Joins`. Clusters of
several sizes are measured in turns, so that each round gives a ratio. Then a million viewers come to the greatest one,
and the tree grows in which its edges feed each other. The CPU is that of one process, which is one signaling instance.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import time
from pathlib import Path
from typing import cast

import msgspec

from rillcast.cluster.placement import PendingJoins, Placement, PlacementLimits, RegionOrder
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.node.background import BackgroundTasks
from services.signaling.core.adapters.directory_nodes import follow_nodes
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.join_requests import ViewerJoin
from services.signaling.core.ports import MediaNodes
from services.signaling.core.usecases.joins import Joins
from services.signaling.core.usecases.node_arrival import NodeArrival
from tests.bench.arithmetic import median_ratio
from tests.bench.hollow import APP, GREAT, Audience, HollowCluster, HollowEdge, HollowTree

SIZES = (10, 100, 1_000, 10_000)
ORDER = "eu>us,ap; us>eu,ap; ap>us,eu"
BUSY, IDLE = 100, 20
"""Viewers at each edge: too many to be spread evenly, and few enough."""
GROUP = 50
"""Who are there at one time while joins are measured."""
CROWD_PER_S = 20_000
"""Of the million, in the time of the cluster."""


class Held:
    """`SessionNews` of sessions for which nothing is held."""

    def subscriber_of(self, session: SessionId) -> str:
        return ""

    def placed(self, session: SessionId, node: NodeId) -> None: ...
    def connected(self, session: SessionId) -> None: ...
    def moved(self, old: SessionId, new: SessionId) -> None: ...
    def over(self, session: SessionId) -> None: ...


class NoLadders:
    """`Outlook` without transcoders."""

    def codecs_to_come(self, app: AppName, stream: StreamId) -> tuple[str, ...]:
        return ()

    def ladder_codecs(self, app: AppName, stream: StreamId) -> tuple[str, ...]:
        return ()


class Side:
    """A cluster of one size with one signaling instance."""

    def __init__(self, size: int, viewers_per_edge: int) -> None:
        self.size = size
        self.cluster = HollowCluster(size)
        self.audience = Audience(max(1, size // 2))
        self.pending = PendingJoins()
        self.placement = placement = Placement(
            self.pending, order=RegionOrder.parse(ORDER), limits=PlacementLimits(), rng=random.Random(1)
        )
        follow_nodes(placement, self.cluster.directory, asyncio.get_running_loop().time)
        self.joins = Joins(
            NodeId("signaling-1"),
            cast(MediaNodes, self.cluster),
            self.cluster.directory,
            apps=AppCatalog([APP], {}),
            outlook=NoLadders(),
            owner_of=lambda app, stream: None,
            placement=placement,
            pending=self.pending,
            arrival=NodeArrival(wait_s=0, most=1),
            tasks=BackgroundTasks(),
            grants=Held(),
            max_opening=10,
        )
        self.cluster.settle(viewers_per_edge)

    async def come_and_go(self, count: int) -> None:
        """So many join, and leave again in small groups, so that a small cluster is no fuller than a great one."""
        for _ in range(count // GROUP):
            for session in await self.join(GROUP):
                self.joins.forget(session)
            self.cluster.all_left()

    def place(self, count: int) -> None:
        """So many get their edges, without the requests and answers of `Joins`."""
        clock = asyncio.get_running_loop().time
        for _ in range(count):
            session, stream, place = self.audience.next()
            now = clock()
            node = self.placement.viewer((APP, stream), place, now)
            self.pending.placed(session, node, now)
            self.pending.connected(session, now)
            self.cluster.place = place
            self.cluster.opened(node, stream)

    async def join(self, count: int) -> list[SessionId]:
        """So many join. They connect at once, and are in the next reports."""
        sessions = []
        for _ in range(count):
            session, stream, place = self.audience.next()
            sessions.append(session)
            self.cluster.place = place
            client = Client(address="192.0.2.1", place=place)
            await self.joins.play(ViewerJoin(app=APP, stream=stream, session=session, client=client))
            self.joins.connected(session)
        return sessions


class Costs(msgspec.Struct):
    """Of one size: CPU milliseconds for a thousand, in each round."""

    joins: list[float] = msgspec.field(default_factory=list)
    beats: list[float] = msgspec.field(default_factory=list)


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the million."""

    viewers: int
    edges: int
    took_s: float
    joins_s: float
    beats: int
    beats_s: float
    tree_s: float
    asked: int
    levels: dict[int, int]
    copies: dict[str, int]
    least: int
    most: int
    near: float


async def measure(sizes: tuple[int, ...], rounds: int, joins: int, viewers_per_edge: int) -> dict[int, Costs]:
    """In turns: the joins, then as many heartbeats."""
    sides = [Side(size, viewers_per_edge) for size in sizes]
    costs = {side.size: Costs() for side in sides}
    for turn in range(rounds + 1):
        for side in sides[:: 1 if turn % 2 else -1]:
            before = time.process_time()
            await side.come_and_go(joins)
            joined = time.process_time() - before
            side.cluster.clock.advance(min(1.0, 1_000 / side.size))
            beats = side.cluster.next_beats(1_000)
            before = time.process_time()
            side.cluster.hear(beats)
            heard = time.process_time() - before
            if turn:  # the first round warms up
                costs[side.size].joins.append(joined * 1e6 / joins)
                costs[side.size].beats.append(heard * 1e3)
    return costs


async def crowd(viewers: int, edges: int) -> Crowd:
    """All come to a cluster in which nobody watches anything yet."""
    side = Side(edges, 0)
    cluster, began = side.cluster, time.perf_counter()
    cluster.tree.clock = time.process_time
    used = {"joins": 0.0, "beats": 0.0}
    beats, left = 0, viewers
    while left:
        for _ in range(10):
            count = min(left, CROWD_PER_S // 10)
            before = time.process_time()
            side.place(count)
            used["joins"] += time.process_time() - before
            left -= count
            cluster.clock.advance(0.1)
            said = cluster.next_beats(edges // 10)
            before = time.process_time()
            cluster.hear(said)
            used["beats"] += time.process_time() - before
            beats += len(said)
    at = [edge.sessions for edge in cluster.edges.values()]
    copies = {f"{p.region}-{p.zone}": n for p, n in sorted(cluster.tree.copies(GREAT).items(), key=str)}
    return Crowd(
        viewers=viewers,
        edges=edges,
        took_s=time.perf_counter() - began,
        joins_s=used["joins"] - cluster.tree.took_s,
        beats=beats,
        beats_s=used["beats"],
        tree_s=cluster.tree.took_s,
        asked=cluster.tree.asked,
        levels=cluster.tree.levels(GREAT),
        copies=copies,
        least=min(at),
        most=max(at),
        near=cluster.near / viewers,
    )


def tree_table(sizes: list[int]) -> list[str]:
    """All edges ask for one stream, in any order, by the decisions of the relay tree alone."""
    lines = ["## All edges of nine zones want one stream", ""]
    lines += ["| edges | CPU of all decisions, s | requests | levels | copies over the border of each zone |"]
    lines += ["|---:|---:|---:|---|---|"]
    for size in sizes:
        edges = {edge.node: edge for edge in map(HollowEdge, range(size))}
        order = list(edges.values())
        random.Random(size).shuffle(order)
        tree, before = HollowTree(edges), time.process_time()
        for edge in order:
            tree.feed(edge, GREAT)
        took_s = time.process_time() - before
        levels = ", ".join(f"{level}: {n}" for level, n in tree.levels(GREAT).items())
        copies = ", ".join(str(n) for n in tree.copies(GREAT).values())
        lines.append(f"| {size} | {took_s:.2f} | {tree.asked} | {levels} | {copies} |")
    return [*lines, ""]


def table(title: str, costs: dict[int, Costs]) -> list[str]:
    """Costs and their ratios to those of the smallest cluster."""
    least = costs[min(costs)]
    lines = [f"## {title}", "", "| edges | joins | ratio | heartbeats | ratio |", "|---:|---:|---:|---:|---:|"]
    for size, cost in costs.items():
        joins, beats = median_ratio(cost.joins, least.joins), median_ratio(cost.beats, least.beats)
        figures = (
            f"{statistics.median(cost.joins):.0f} | {joins:.2f} | {statistics.median(cost.beats):.1f} | {beats:.2f}"
        )
        lines.append(f"| {size} | {figures} |")
    return [*lines, ""]


def shown(found: Crowd) -> list[str]:
    """The crowd, for people."""
    levels = ", ".join(f"{count} at level {level}" for level, count in found.levels.items())
    copies = ", ".join(f"{zone} {count}" for zone, count in found.copies.items())
    return [
        f"## {found.viewers} viewers come to {found.edges} edges",
        "",
        f"They come at {CROWD_PER_S} a second of the cluster's time, and each edge reports once a second.",
        "",
        "| | |",
        "|---|---:|",
        f"| all together, s | {found.took_s:.1f} |",
        f"| CPU of placement, s | {found.joins_s:.1f} |",
        f"| the same for 1 000 joins, ms | {found.joins_s * 1e6 / found.viewers:.1f} |",
        f"| CPU of {found.beats} heartbeats, s | {found.beats_s:.1f} |",
        f"| CPU of all decisions of the relay trees, s | {found.tree_s:.2f} |",
        f"| requests for a relay | {found.asked} |",
        f"| viewers at one edge, least and most | {found.least} and {found.most} |",
        f"| viewers at an edge of their own zone | {found.near:.1%} |",
        "",
        f"The tree of the stream that half of them watch: {levels}. Copies over the border of each zone: {copies}.",
        "",
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    options.add_argument("--rounds", type=int, default=9, help="0 = no costs of joins")
    options.add_argument("--joins", type=int, default=1_000)
    options.add_argument("--viewers", type=int, default=1_000_000, help="0 = no crowd")
    options.add_argument("--page", type=Path)
    chosen = options.parse_args()
    text = asyncio.run(report(chosen))
    if chosen.page:
        chosen.page.write_text(text, encoding="utf-8")
    else:
        print(text)


async def report(chosen: argparse.Namespace) -> str:
    """Everything measured, as Markdown."""
    before = os.getloadavg()
    lines = []
    for title, each in (("Busy edges", BUSY), ("Edges that are nearly idle", IDLE)) if chosen.rounds else ():
        lines += table(title, await measure(tuple(chosen.sizes), chosen.rounds, chosen.joins, each))
    lines += tree_table(chosen.sizes)
    if chosen.viewers:
        lines += shown(await crowd(chosen.viewers, max(chosen.sizes)))
    load = [" ".join(f"{minutes:.1f}" for minutes in each) for each in (before, os.getloadavg())]
    head = [
        "# What placement costs",
        "",
        "Written by `python -m tests.bench.placement --page docs/benchmarks/placement.md`: hollow nodes, whose",
        "heartbeats go into the real directory, and viewers who join by the real `Joins` of one signaling instance.",
        f"CPU milliseconds for 1 000, median of {chosen.rounds} rounds. The ratio is to the smallest cluster, round by",
        "round: what slows a whole round down cancels out.",
        f"Python {platform.python_version()}, {os.cpu_count()} CPUs, shared with other work.",
        f"The load of the machine (1, 5 and 15 minutes) was {load[0]} before and {load[1]} after.",
        "",
    ]
    return "\n".join([*head, *lines])


if __name__ == "__main__":
    main()
