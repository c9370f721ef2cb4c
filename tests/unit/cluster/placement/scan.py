"""Placement's rules as a look at every node: what the kept order must always agree with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from rillcast.cluster.placement import Place, PlacementLimits
from rillcast.cluster.placement.score import fullness, work
from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport

Weight = Callable[[NodeId], float]


def distance(place: Place, report: NodeReport, order: Mapping[str, Sequence[str]]) -> int:
    """How far a node is from a place: equal distances form one tier."""
    info = report.info
    if not place.region:
        return 0
    if info.region == place.region:
        return 0 if place.zone and info.zone == place.zone else 1
    others = order.get(place.region, ())
    return 2 + (others.index(info.region) if info.region in others else len(others))


def possible(
    reports: Iterable[NodeReport],
    carriers: Collection[NodeId],
    place: Place,
    weight: Weight,
    *,
    limits: PlacementLimits,
    order: Mapping[str, Sequence[str]],
    excluded: Collection[NodeId],
) -> set[NodeId] | ErrorCode:
    """Every node that may be chosen, or the refusal."""
    healthy = [r for r in reports if r.ready and not r.draining and r.info.node not in excluded]
    if not healthy:
        return ErrorCode.NO_NODE_AVAILABLE

    def cost(report: NodeReport) -> float:
        return fullness(report, weight(report.info.node))

    with_room = [report for report in healthy if cost(report) < limits.full]
    if not with_room:
        return ErrorCode.HIGH_RESOURCE_USAGE
    nearest = min(distance(place, report, order) for report in with_room)
    tier = [report for report in with_room if distance(place, report, order) == nearest]
    idle = [report for report in tier if work(report, weight(report.info.node)) < limits.near_idle]
    if idle:
        return _fewest_sessions(idle, weight, carriers)
    with_stream = [r for r in tier if r.info.node in carriers and cost(r) < limits.carrier_full]
    return _better_of_two(with_stream or tier, cost)


def _fewest_sessions(idle: list[NodeReport], weight: Weight, carriers: Collection[NodeId]) -> set[NodeId]:
    rank = {r.info.node: (round(r.load.sessions + weight(r.info.node)), r.info.node not in carriers) for r in idle}
    return {node for node in rank if rank[node] == min(rank.values())}


def _better_of_two(reports: list[NodeReport], cost: Callable[[NodeReport], float]) -> set[NodeId]:
    """All but one that is worse than each of the others."""
    by_cost = sorted(reports, key=cost)
    if len(by_cost) > 1 and cost(by_cost[-1]) > cost(by_cost[-2]):
        by_cost.pop()
    return {report.info.node for report in by_cost}
