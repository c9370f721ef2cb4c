"""The nodes of one kind that may get a session, kept in order by what each says and by the joins sent to it.

A node is judged anew with each of its heartbeats, and when a join is sent to it, is refused or comes no more: never for
the sake of somebody else's join. So a join costs the same for ten nodes and for ten thousand (0110).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from rillcast.cluster.placement.carrying import Carriers, StreamKey
from rillcast.cluster.placement.limits import PlacementLimits
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.node_set import NodeSet
from rillcast.cluster.placement.pending_joins import PendingJoins
from rillcast.cluster.placement.pool import Pool
from rillcast.cluster.placement.score import fullness, work
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport

GREAT = 64
"""A stream that more edges carry is kept by place; of any other, all carriers are looked at."""

PoolKey = tuple[str, ...]
"""``()`` is the cluster, ``(region,)`` a region, ``(region, zone)`` a zone."""
NOBODY = NodeSet()


class Candidate(msgspec.Struct):
    """A node that takes new work, and what is thought of it."""

    report: NodeReport
    pools: tuple[PoolKey, ...]
    cost: float = 0.0
    """How full it is, with the joins to come."""
    room: bool = False
    favoured: bool = False
    """Whether it has so much room that it is preferred for having a stream."""
    idle: int | None = None
    """Its sessions, with those to come, while it has next to nothing to do."""


class Candidates:
    """One for edges and one for origins."""

    def __init__(
        self, pending: PendingJoins, carriers: Carriers, limits: PlacementLimits, order: RegionOrder, great: int = GREAT
    ) -> None:
        self._pending = pending
        self._carriers = carriers
        self._limits = limits
        self._order = order
        self._great_from = great
        self._nodes: dict[NodeId, Candidate] = {}
        self._pools: dict[PoolKey, Pool] = {}
        self._great: dict[StreamKey, dict[PoolKey, NodeSet]] = {}
        """Of great streams that were asked for, the favoured carriers by place."""
        self._touched: set[NodeId] = set()
        pending.on_change(self._touch)

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, node: object) -> bool:
        return node in self._nodes

    # ---- what is heard

    def takes(self, report: NodeReport, now: float) -> None:
        """A node takes new work, and this is its last heartbeat."""
        node, info = report.info.node, report.info
        known = self._nodes.get(node)
        if known is not None and known.pools[-1] != (info.region, info.zone):
            self.takes_no_more(node)
            known = None
        if known is None:
            pools: tuple[PoolKey, ...] = ((), (info.region,), (info.region, info.zone))
            known = self._nodes[node] = Candidate(report, pools)
            for key in pools:
                self._pools.setdefault(key, Pool()).members += 1
        known.report = report
        self._judge(known, now)

    def takes_no_more(self, node: NodeId) -> None:
        """Nothing happens if it did not."""
        known = self._nodes.pop(node, None)
        if known is None:
            return
        self._settle(known, room=False, favoured=False, idle=None)
        for key in known.pools:
            pool = self._pools[key]
            pool.members -= 1
            if not pool.members:
                del self._pools[key]

    def carried(self, node: NodeId, come: Iterable[StreamKey], left: Iterable[StreamKey]) -> None:
        """What an edge has changed, as `Carriers` says."""
        known = self._nodes.get(node)
        for key in come:
            if known is not None and known.favoured and key in self._great:
                self._keep(key, known)
        for key in left:
            great = self._great.get(key)
            if great is None:
                continue
            if len(self._carriers.nodes(key)) <= self._great_from // 2:
                del self._great[key]
            elif known is not None:
                self._drop(great, known)

    # ---- what is asked

    def catch_up(self, now: float) -> None:
        """Judge those anew to whom joins were sent, or whose joins are over."""
        self._pending.expire(now)
        while self._touched:
            known = self._nodes.get(self._touched.pop())
            if known is not None:
                self._judge(known, now)

    def nearest(self, place: Place) -> Iterator[tuple[PoolKey, Pool]]:
        """Where there is room, the nearest place first. A later one may hold those of the earlier ones as well: they
        were not enough, so none of them is taken."""
        for key in self._keys(place):
            pool = self._pools.get(key)
            if pool is not None and len(pool.room):
                yield key, pool

    def cost(self, node: NodeId) -> float:
        """How full the node is."""
        return self._nodes[node].cost

    def is_favoured(self, node: NodeId, at: PoolKey) -> bool:
        """Whether it is of that place, and preferred for having a stream."""
        known = self._nodes.get(node)
        return known is not None and known.favoured and at in known.pools

    def favoured(self, stream: StreamKey, at: PoolKey) -> NodeSet | None:
        """The carriers of a great stream for which `is_favoured` holds; None of any other stream: look at each."""
        carriers = self._carriers.nodes(stream)
        if len(carriers) <= self._great_from:
            return None
        if stream not in self._great:
            self._gather(stream, carriers)
        return self._great[stream].get(at, NOBODY)

    # ---- parts

    def _touch(self, node: NodeId) -> None:
        if node in self._nodes:
            self._touched.add(node)

    def _keys(self, place: Place) -> Iterator[PoolKey]:
        if place.region:
            if place.zone:
                yield (place.region, place.zone)
            for region in (place.region, *self._order.after(place.region)):
                yield (region,)
        yield ()

    def _judge(self, known: Candidate, now: float) -> None:
        report, limits = known.report, self._limits
        expected = self._pending.weight(report.info.node, now)
        known.cost = cost = fullness(report, expected)
        room = cost < limits.full
        is_idle = room and work(report, expected) < limits.near_idle
        idle = round(report.load.sessions + expected) if is_idle else None
        self._settle(known, room=room, favoured=room and cost < limits.carrier_full, idle=idle)

    def _settle(self, known: Candidate, *, room: bool, favoured: bool, idle: int | None) -> None:
        node = known.report.info.node
        if (room, idle) != (known.room, known.idle):
            for key in known.pools:
                self._pools[key].change(node, room=room, idle=idle, was_idle=known.idle)
            known.room, known.idle = room, idle
        if favoured != known.favoured:
            known.favoured = favoured
            for stream in self._great.keys() & self._carriers.of(node) if self._great else ():
                if favoured:
                    self._keep(stream, known)
                else:
                    self._drop(self._great[stream], known)

    def _gather(self, stream: StreamKey, carriers: Mapping[NodeId, None]) -> None:
        self._great[stream] = {}
        for node in carriers:
            known = self._nodes.get(node)
            if known is not None and known.favoured:
                self._keep(stream, known)

    def _keep(self, stream: StreamKey, known: Candidate) -> None:
        great = self._great[stream]
        for key in known.pools:
            great.setdefault(key, NodeSet()).add(known.report.info.node)

    def _drop(self, great: dict[PoolKey, NodeSet], known: Candidate) -> None:
        for key in known.pools:
            nodes = great.get(key)
            if nodes is not None:
                nodes.discard(known.report.info.node)
                if not nodes:
                    del great[key]
