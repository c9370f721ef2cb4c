"""The policies put together: healthy → with room → nearest tier → spread while idle → carrier → better of two."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

import msgspec

from rillcast.cluster.placement.carrying import carriers, carries
from rillcast.cluster.placement.health import taking_sessions
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.pending_joins import PendingJoins
from rillcast.cluster.placement.score import fullness
from rillcast.cluster.placement.spreading import fewest_sessions
from rillcast.cluster.placement.two_choices import better_of_two
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import NodeReport

RETRY_AFTER_S = 3.0


class PlacementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of a node's own limit."""

    full: float = 1.0
    """From here on a node gets no new session."""
    near_idle: float = 0.25
    """Below, sessions are spread evenly; relays are cheap then."""
    carrier_full: float = 0.85
    """From here on, a node that has the stream is no longer preferred to one that hasn't."""


class _Room:
    """The candidates of one decision with their fullness."""

    def __init__(self, pending: PendingJoins, now: float) -> None:
        self._pending = pending
        self._now = now

    def expected(self, report: NodeReport) -> float:
        return self._pending.weight(report.info.node, self._now)

    def fullness(self, report: NodeReport) -> float:
        return fullness(report, self.expected(report))

    def below(self, reports: Iterable[NodeReport], share: float) -> list[NodeReport]:
        return [report for report in reports if self.fullness(report) < share]


def place_viewer(
    edges: Iterable[NodeReport],
    app: AppName,
    stream: StreamId,
    place: Place,
    *,
    order: RegionOrder,
    pending: PendingJoins,
    limits: PlacementLimits,
    now: float,
    rng: random.Random,
    excluded: Collection[NodeId] = (),
) -> NodeId:
    """The edge for a viewer. Raises NO_NODE_AVAILABLE when there is none, HIGH_RESOURCE_USAGE when all are full."""
    room = _Room(pending, now)
    tier = _nearest_with_room(
        taking_sessions(edges, excluded), place, kind="edge", order=order, room=room, limits=limits
    )

    def has_stream(report: NodeReport) -> bool:
        return carries(report, app, stream)

    idle = room.below(tier, limits.near_idle)
    if idle:
        return fewest_sessions(idle, room.expected, has_stream, rng).info.node
    with_stream = room.below(carriers(tier, app, stream), limits.carrier_full)
    return better_of_two(with_stream or tier, room.fullness, rng).info.node


def place_publisher(
    origins: Iterable[NodeReport],
    place: Place,
    owner: NodeId | None,
    *,
    order: RegionOrder,
    pending: PendingJoins,
    limits: PlacementLimits,
    now: float,
    rng: random.Random,
    excluded: Collection[NodeId] = (),
) -> NodeId:
    """The origin for a publisher: the stream's present owner while it stays, so that nothing is handed over; else by load."""
    room = _Room(pending, now)
    healthy = taking_sessions(origins, excluded)
    if owner is not None and any(report.info.node == owner for report in healthy):
        return owner
    tier = _nearest_with_room(healthy, place, kind="origin", order=order, room=room, limits=limits)
    idle = room.below(tier, limits.near_idle)
    if idle:
        return fewest_sessions(idle, room.expected, _nobody, rng).info.node
    return better_of_two(tier, room.fullness, rng).info.node


def _nearest_with_room(
    healthy: list[NodeReport], place: Place, *, kind: str, order: RegionOrder, room: _Room, limits: PlacementLimits
) -> list[NodeReport]:
    if not healthy:
        raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, f"no {kind} is ready to take a session", RETRY_AFTER_S)
    for tier in order.tiers(place, healthy):
        with_room = room.below(tier, limits.full)
        if with_room:
            return with_room
    raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"every {kind} is at its limit", RETRY_AFTER_S)


def _nobody(report: NodeReport) -> bool:
    return False
