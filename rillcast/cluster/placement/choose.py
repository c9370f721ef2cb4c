"""The policies put together: healthy → with room → nearest tier → spread while idle → carrier → better of two."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

import msgspec

from rillcast.cluster.placement.health import taking_sessions
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.pending_joins import PendingJoins
from rillcast.cluster.placement.score import fullness, work
from rillcast.cluster.placement.spreading import fewest_sessions
from rillcast.cluster.placement.two_choices import better_of_two
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport

RETRY_AFTER_S = 3.0


class PlacementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Where the policies draw their lines, as shares of a node's own limit."""

    full: float = 1.0
    """A node that is as full as this gets no new session."""
    near_idle: float = 0.25
    """While nodes are less full than this, sessions are spread evenly: relays are cheap then."""
    carrier_full: float = 0.85
    """A node that is as full as this is no longer preferred for having the stream already."""


class Placement:
    """Chooses nodes. There is one in each signaling instance. The reports and the time are given with each question."""

    def __init__(
        self, pending: PendingJoins, *, order: RegionOrder, limits: PlacementLimits, rng: random.Random
    ) -> None:
        self._pending = pending
        self._order = order
        self._limits = limits
        self._rng = rng

    def viewer(
        self,
        edges: Iterable[NodeReport],
        carriers: Collection[NodeId],
        place: Place,
        now: float,
        excluded: Collection[NodeId] = (),
    ) -> NodeId:
        """The edge for a viewer. Raises NO_NODE_AVAILABLE when there is none, HIGH_RESOURCE_USAGE when all are full.

        `carriers`: the edges that have the stream. `excluded`: those that just refused this join.
        """
        return self._choose("edge", taking_sessions(edges, excluded), carriers, place, now=now)

    def publisher(
        self,
        origins: Iterable[NodeReport],
        owner: NodeId | None,
        place: Place,
        now: float,
        excluded: Collection[NodeId] = (),
    ) -> NodeId:
        """The origin for a publisher: the stream's `owner` while it stays, so nothing is handed over; else by load."""
        healthy = taking_sessions(origins, excluded)
        if owner is not None and any(report.info.node == owner for report in healthy):
            return owner
        return self._choose("origin", healthy, (), place, now=now)

    def _choose(
        self, kind: str, healthy: list[NodeReport], carriers: Collection[NodeId], place: Place, *, now: float
    ) -> NodeId:
        def expected(report: NodeReport) -> float:
            return self._pending.weight(report.info.node, now)

        full = {report.info.node: fullness(report, expected(report)) for report in healthy}

        def cost(report: NodeReport) -> float:
            return full[report.info.node]

        def carries(report: NodeReport) -> bool:
            return report.info.node in carriers

        tier = self._nearest_with_room(kind, healthy, full, place)
        idle = [report for report in tier if work(report, expected(report)) < self._limits.near_idle]
        if idle:
            return fewest_sessions(idle, expected, carries, self._rng).info.node
        with_stream = [report for report in tier if carries(report) and cost(report) < self._limits.carrier_full]
        return better_of_two(with_stream or tier, cost, self._rng).info.node

    def _nearest_with_room(
        self, kind: str, healthy: list[NodeReport], full: dict[NodeId, float], place: Place
    ) -> list[NodeReport]:
        if not healthy:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"no {kind} is ready to take a session", RETRY_AFTER_S)
        for tier in self._order.tiers(place, healthy):
            with_room = [report for report in tier if full[report.info.node] < self._limits.full]
            if with_room:
                return with_room
        raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"every {kind} is at its limit", RETRY_AFTER_S)
