"""Nodes and what they carry, in Ant Media's shape and in our own."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rillcast.contracts.messages import NodeReport
from rillcast.contracts.status import CarriedBy, NodeStatus, ServedStream, StreamStatus
from rillcast.contracts.words import DrainPhase
from services.signaling.rest.domain.booked import BookedNode


class ClusterNode(msgspec.Struct, rename="camel", kw_only=True):
    """A node as Ant Media's dashboard lists it."""

    id: str
    ip: str
    last_update_time: int
    """When it was heard last, in Unix milliseconds."""
    memory: str | None
    """Of its machine, in megabytes: what is used, a slash, and all there is. Null while it does not say so."""
    cpu: str
    """In percent, as digits."""
    db_query_average_time_ms: int = msgspec.field(default=0, name="dbQueryAveargeTimeMs")
    """Not measured of other nodes."""
    note: str
    """What an operator wrote, or else the kind of the node, its place and its state."""
    status: str
    """``alive`` or ``dead``."""
    streams: int
    """How many it carries."""
    viewers: int


def cluster_node(booked: BookedNode, note: str) -> ClusterNode:
    """`note`: what was written about it."""
    report, info = booked.report, booked.report.info
    return ClusterNode(
        id=info.node,
        ip=info.relay_address or info.http_address.rpartition(":")[0] or info.admin_address.rpartition(":")[0],
        last_update_time=booked.heard_ms,
        memory=f"{report.memory.used_mb}/{report.memory.total_mb}" if report.memory is not None else None,
        cpu=f"{report.load.cpu * 100:.0f}",
        note=note or described(booked),
        status="alive" if booked.alive else "dead",
        streams=len(report.carried),
        viewers=_viewers(report),
    )


def described(booked: BookedNode) -> str:
    """What the original has no field for: the kind of a node, its place and its state."""
    info = booked.report.info
    place = "/".join(part for part in (info.region, info.zone) if part)
    return " ".join(part for part in (info.kind.value, place, _state(booked)) if part)


def node_status(booked: BookedNode, note: str) -> NodeStatus:
    """All that is known of a node."""
    report, info = booked.report, booked.report.info
    return NodeStatus(
        node=info.node,
        kind=info.kind,
        region=info.region,
        zone=info.zone,
        version=info.version,
        address=info.relay_address or info.http_address or info.admin_address,
        alive=booked.alive,
        state=_state(booked),
        heard_at_ms=booked.heard_ms,
        up_s=report.up_s,
        load=report.load,
        memory=report.memory,
        streams=len(report.carried),
        viewers=_viewers(report),
        tree=report.tree,
        note=note,
    )


Carriers = dict[tuple[str, str], list[CarriedBy]]
"""By app and stream."""


def carriers(reports: Iterable[NodeReport]) -> Carriers:
    """Who carries what, as far as nodes name it. To be made once for each answer: it looks at everything."""
    found: Carriers = {}
    for report in reports:
        tree = report.tree
        for carried in report.carried:
            by = CarriedBy(
                node=report.info.node,
                kind=report.info.kind,
                viewers=carried.viewers,
                level=0 if tree is None else tree.level,
                parents=() if tree is None else tree.parents,
            )
            found.setdefault((carried.app, carried.stream), []).append(by)
    return found


def served_stream(stream: StreamStatus, by: Carriers) -> ServedStream:
    """A stream with the nodes that carry it, the nearest to the origin first."""
    nodes = sorted(by.get((stream.app, stream.stream), ()), key=lambda one: (one.level, one.node))
    return ServedStream(**msgspec.structs.asdict(stream), nodes=tuple(nodes))


def _viewers(report: NodeReport) -> int:
    return sum(carried.viewers for carried in report.carried)


def _state(booked: BookedNode) -> str:
    report = booked.report
    if not booked.alive:
        return "dead"
    if report.draining:
        drain = report.drain
        drained = drain is not None and drain.phase in (DrainPhase.DRAINED, DrainPhase.CUT)
        return "drained" if drained else "draining"
    return "ready" if report.ready else f"not ready: {report.not_ready_reason}"
