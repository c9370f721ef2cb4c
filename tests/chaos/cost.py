"""What a cluster costs while nothing fails: messages on the bus, and CPU of each process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from rillcast.load.run import Plan
from tests.bench.machine import Others, thread_s
from tests.bench.watching import publishing
from tests.chaos.cluster import MONITOR_PORT, ChaosCluster
from tests.chaos.results import Cost, NodeCost
from tests.chaos.viewers import APP, crowd

SPAN_S = 15.0
VIEWERS = 50
WARM_S = 3.0
STREAM = "cost"


@dataclass(frozen=True)
class Reading:
    """The clocks at one moment."""

    at: float
    cpu_s: dict[str, float]
    messages: int


async def measure_cost(cluster: ChaosCluster, say: Callable[[str], None]) -> Cost:
    """Half a minute: without any stream, and with viewers."""
    others = Others()
    idle = await _span(cluster)
    view = cluster.clients
    plan = Plan(url=view.whip("", APP), stream=STREAM, seconds=3_600)
    async with (
        publishing(next(iter(cluster.views.values())), plan),
        crowd("socket", view.websocket(APP), STREAM, VIEWERS),
    ):
        await asyncio.sleep(WARM_S)
        watched = await _span(cluster)
    names = [*cluster.nodes, *cluster.nats, *cluster.consul]
    cost = Cost(
        viewers=VIEWERS,
        seconds=SPAN_S,
        nodes=tuple(NodeCost(name=n, idle_cores=_cores(idle, n), watched_cores=_cores(watched, n)) for n in names),
        idle_messages=_messages(idle, len(cluster.nodes)),
        watched_messages=_messages(watched, len(cluster.nodes)),
        others_cores=round(others.cores(), 2),
    )
    say(f"without faults: {cost.idle_messages:.1f} messages per node and second, {cost.watched_messages:.1f} watched")
    return cost


async def _span(cluster: ChaosCluster) -> tuple[Reading, Reading]:
    before = await _read(cluster)
    await asyncio.sleep(SPAN_S)
    return before, await _read(cluster)


async def _read(cluster: ChaosCluster) -> Reading:
    servers = {**cluster.nodes, **cluster.nats, **cluster.consul}
    cpu = {name: sum(thread_s(server.pid)) for name, server in servers.items()}
    messages = 0
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        for name in cluster.nats:
            url = f"http://{cluster.address(name)}:{MONITOR_PORT}/connz?limit=1000"
            found = (await http.get(url)).json()["connections"]
            messages += sum(one["in_msgs"] + one["out_msgs"] for one in found)
    return Reading(time.monotonic(), cpu, messages)


def _cores(span: tuple[Reading, Reading], name: str) -> float:
    before, after = span
    return round((after.cpu_s[name] - before.cpu_s[name]) / (after.at - before.at), 4)


def _messages(span: tuple[Reading, Reading], nodes: int) -> float:
    before, after = span
    return round((after.messages - before.messages) / (after.at - before.at) / nodes, 1)
