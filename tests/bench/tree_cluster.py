"""An origin and edges in zones as real processes on a real NATS, with viewers of the load generator at each edge. The
caller stands in for signaling, so nobody moves the viewers of an edge that is killed; those below it are looked at."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, NodeId, StreamId, new_session_id
from rillcast.contracts.messages import NodeReport, PlayRequest, PlaySubscription, PublishRequest, SessionAnswer
from rillcast.load.description import Agreed, LocalPeer, PublishedTrack, agreed, publish_offer, view_offer
from rillcast.load.link import Link
from rillcast.load.run import Plan, Result, Run
from rillcast.load.session import OnOffer
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import free_port, nats_server

APP, STREAM = AppName("live"), StreamId("s1")
SIGNALING = NodeId("sig-test")
ORIGIN = "origin-1"
TRACKS = 2
"""Audio and video: each has a relay of its own."""
CLOSE = Link(delay_us=0)
"""Viewers behind a link look at their pictures."""
AFTER_KILL_S = 4.0

_SERIES = re.compile(r"^(\w+)(?:\{[^}]*\})? ([0-9.e+-]+)$", re.MULTILINE)


class Node:
    """One process of a service."""

    def __init__(
        self, name: str, zone: str, nats_url: str, settings: Mapping[str, object], http: httpx.AsyncClient
    ) -> None:
        self._http = http
        self.name, self.zone = name, zone
        kind = name.partition("-")[0]
        self._kind = kind
        self._admin_port = free_port()
        values = {
            "NODE_ID": name,
            "REGION": "eu",
            "ZONE": zone,
            "NATS_URL": nats_url,
            "ADMIN_PORT": self._admin_port,
            "ADVERTISE_ADDRESS": "127.0.0.1",
            "MEDIA_BIND": "127.0.0.1",
            "RELAY_BIND": "127.0.0.1",
            "LOG_LEVEL": "warning",
            "DRAIN_TIMEOUT_S": 3,
            "WORKERS": 1,
            **settings,
        }
        self._environment = {f"RILLCAST_{kind.upper()}_{key}": str(value) for key, value in values.items()}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"services.{self._kind}", env={**os.environ, **self._environment}
        )
        await eventually(self._wired, 150, f"{self.name} being wired", every_s=0.5)

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def figures(self) -> dict[str, float]:
        """The sums of its metrics, by name."""
        text = (await self._http.get(f"http://127.0.0.1:{self._admin_port}/metrics")).text
        sums: dict[str, float] = {}
        for name, value in _SERIES.findall(text):
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    async def _wired(self) -> bool:
        """Ready, but for the license: no license service runs here."""
        try:
            answer = (await self._http.get(f"http://127.0.0.1:{self._admin_port}/readyz")).json()
        except httpx.HTTPError:
            return False
        return "starting" not in answer["reasons"] and "bus" not in answer["reasons"]


class AtNodes:
    """How generated peers join: each at the next of some nodes, over the bus."""

    def __init__(self, bus: NatsBus, nodes: Sequence[str]) -> None:
        self._bus = bus
        self._next = itertools.cycle(nodes)

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        request = PlayRequest(
            subscriptions=(PlaySubscription(app=APP, stream=STREAM),),
            session=new_session_id(),
            signaling=SIGNALING,
            sdp_offer=view_offer(local),
        )
        answer = await self._bus.request(subjects.edge_play(NodeId(next(self._next))), request, SessionAnswer)
        return agreed(answer.sdp or "")

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed:
        request = PublishRequest(
            app=APP,
            stream=STREAM,
            session=new_session_id(),
            signaling=SIGNALING,
            sdp_offer=publish_offer(local, tracks),
            credential_digest="bench",
            has_credentials=True,
        )
        answer = await self._bus.request(subjects.origin_publish(NodeId(next(self._next))), request, SessionAnswer)
        return agreed(answer.sdp or "")

    def ended(self) -> Mapping[str, int]:
        return {}

    async def close(self) -> None:
        """The processes end with the cluster."""


@dataclass
class Crowd:
    """Viewers at some nodes, in turns: viewer i is at node i modulo their number."""

    nodes: Sequence[str]
    run: Run
    task: asyncio.Task[Result]
    killed: set[str] = field(default_factory=set)
    """Those of the nodes that were killed: their sessions are gone, and no signaling is here that would move them."""


@dataclass
class Gaps:
    """What viewers saw of a fault: the longest standstill of each in seconds; 0 is none above 150 ms."""

    gaps_s: list[float] = field(default_factory=list)
    below_s: dict[int, list[float]] = field(default_factory=dict)
    """The same of those who were fed through the killed edge, by how many relays they were from it."""
    lost: int = 0
    """Viewers whose picture stands at the end."""


class TreeCluster:
    """The nodes, the publisher and the viewers."""

    def __init__(self, bus: NatsBus, nodes: dict[str, Node]) -> None:
        self.bus, self.nodes = bus, nodes
        self.reports: dict[str, NodeReport] = {}
        """The last heartbeat of each node."""
        self.running: list[asyncio.Task[Result]] = []
        self.crowds: list[Crowd] = []

    @property
    def edges(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.name != ORIGIN]

    async def publish(self, seconds: float) -> None:
        """A publisher for so long, whose packets say when they were sent."""
        plan = Plan(url="", seconds=seconds, stamp=True, video_bps=500_000)
        run = Run(plan, publishing=True, join_by=AtNodes(self.bus, [ORIGIN]))
        self._begin(run)

    async def watch(self, nodes: Sequence[str], per_node: int, seconds: float, *, looks: bool = True) -> Crowd:
        """Viewers at these nodes; returns when each has had a picture. `looks`: they look at their pictures, otherwise
        the delay of each packet is measured."""
        count = len(nodes) * per_node
        plan = Plan(url="", count=count, rate=20, seconds=seconds, links=(CLOSE,) if looks else (), sample=1)
        run = Run(plan, publishing=False, join_by=AtNodes(self.bus, nodes))
        crowd = Crowd(nodes, run, self._begin(run))
        await eventually(lambda: len(run.watching()) == count, 30, f"{count} viewers with a picture")
        self.crowds.append(crowd)
        return crowd

    def _begin(self, run: Run) -> asyncio.Task[Result]:
        self.running.append(asyncio.create_task(run.run(lambda _phase, _begun, _report: None)))
        return self.running[-1]

    async def figure(self, name: str, nodes: Sequence[Node] | None = None) -> dict[str, float]:
        """One metric of each node that lives, by the names of the nodes."""
        living = [node for node in (nodes or self.edges) if node.lives]
        found = await asyncio.gather(*(node.figures() for node in living))
        return {node.name: figures.get(name, 0.0) for node, figures in zip(living, found, strict=True)}

    async def flows(self) -> bool:
        """Whether the origin has the stream."""
        return bool((await self.figure("rillcast_origin_publishers", [self.nodes[ORIGIN]]))[ORIGIN])

    async def levels(self) -> dict[str, int]:
        return {name: int(level) for name, level in (await self.figure("rillcast_edge_relay_level")).items()}

    async def inner(self) -> list[str]:
        """The edges that feed others."""
        return [name for name, count in (await self.figure("rillcast_edge_relay_children")).items() if count]

    def hops_below(self, edge: str, killed: str) -> int | None:
        """How many relays an edge is from another one that feeds it; None when that one does not."""
        at, hops = edge, 0
        while at != killed:
            report = self.reports.get(at)
            if report is None or report.tree is None or hops > len(self.nodes):
                return None
            at, hops = report.tree.parents[0], hops + 1
        return hops or None

    async def hear(self) -> None:
        """Take in heartbeats from now on."""

        async def heard(_subject: str, report: NodeReport) -> None:
            self.reports[report.info.node] = report

        await self.bus.listen(subjects.NODES_REPORTED, NodeReport, heard)

    async def copies_over_borders(self) -> dict[str, float]:
        """For each zone, how many copies of a track come in from outside: relays into its edges that none of its edges
        gives. Edges give to their own zone here, since all others have a head of their own."""
        come, given = await self.figure("rillcast_edge_relays"), await self.figure("rillcast_edge_relay_children")
        zones = {node.zone for node in self.edges}
        return {
            zone: sum(come[e.name] - given[e.name] for e in self.edges if e.zone == zone and e.lives) / TRACKS
            for zone in zones
        }

    def standing(self) -> list[str]:
        """At which edges, of those that were not killed, a viewer's picture stands."""
        found = ((crowd, viewer) for crowd in self.crowds for viewer in crowd.run.standstills.standing(1_000_000))
        return [at for crowd, viewer in found if (at := crowd.nodes[viewer % len(crowd.nodes)]) not in crowd.killed]

    async def kill(self, name: str, settle_s: float = AFTER_KILL_S) -> Gaps:
        """Kill an edge, and see what the viewers at the others see of it."""
        hops = {edge.name: self.hops_below(edge.name, name) for edge in self.edges}
        began_us = time.monotonic() * 1e6
        await self.nodes[name].kill()
        await asyncio.sleep(settle_s)
        found = Gaps()
        for crowd in self.crowds:
            at = crowd.nodes
            crowd.killed.add(name)
            here = [viewer for viewer in crowd.run.watching() if at[viewer % len(at)] not in crowd.killed]
            standing = set(crowd.run.standstills.standing(1_000_000))
            for viewer in here:
                seen = (s for s in crowd.run.standstills.all if s.viewer == viewer and s.began_us > began_us - 1e6)
                lasted = [standstill.lasted_us for standstill in seen]
                gap_s = max(lasted, default=0) / 1e6
                found.gaps_s.append(gap_s)
                if (below := hops[at[viewer % len(at)]]) is not None:
                    found.below_s.setdefault(below, []).append(gap_s)
                found.lost += viewer in standing
        return found


@asynccontextmanager
async def tree_cluster(
    zones: Mapping[str, str], settings: Mapping[str, Mapping[str, object]]
) -> AsyncIterator[TreeCluster]:
    """`zones`: of each node, by name; one of them is the origin. `settings`: of each kind of node."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        connection = NatsConnection(NodeSettings(nats_url=nats.url), SIGNALING)
        await connection.open()
        stack.push_async_callback(connection.close)
        bus = NatsBus(connection)
        stack.push_async_callback(bus.close)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        nodes = {n: Node(n, zone, nats.url, settings.get(n.partition("-")[0], {}), http) for n, zone in zones.items()}
        for node in nodes.values():
            stack.push_async_callback(node.kill)
        await asyncio.gather(*(node.start() for node in nodes.values()))
        cluster = TreeCluster(bus, nodes)
        await cluster.hear()
        try:
            yield cluster
        finally:
            for task in cluster.running:
                task.cancel()
            await asyncio.gather(*cluster.running, return_exceptions=True)
