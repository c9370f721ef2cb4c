"""Pictures of nodes: the whole cluster, a list of nodes, one node. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from rillcast.cluster.health import Verdict, node_verdict
from rillcast.contracts.health import Health, Trouble
from rillcast.contracts.messages import MachineMemory, NodeReport
from rillcast.contracts.words import DrainPhase, NodeKind
from services.signaling.rest.domain.live_ask import Ask, NodeSort
from services.signaling.rest.domain.live_delta import Picture
from services.signaling.rest.domain.live_rows import (
    GroupRow,
    LinkRow,
    NodeHead,
    NodeRow,
    OverviewHead,
    PageHead,
    Row,
    StreamRow,
)

MOST_ALONE = 150
"""With more nodes, zones are shown instead."""
MOST_TROUBLED = 60
"""Nodes in trouble that are shown beside zones."""
MOST_LINKS = 1_000
MOST_CARRIED = 100
_ALL = 100
_RANK = {Health.GOOD: 0, Health.UNKNOWN: 1, Health.STRAINED: 2, Health.BAD: 3}
_DOUBTS = {
    "doubted": Trouble.NODE_DOUBTFUL,
    "frozen": Trouble.NODE_FROZEN,
    "missing": Trouble.NODE_DOUBTFUL,
    "isolated": Trouble.NODE_CUT_OFF,
}
DEAD = "dead"
_OVER = frozenset({DrainPhase.DRAINED, DrainPhase.CUT})


class SeenNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is heard of, or died lately."""

    report: NodeReport
    alive: bool
    heard_ms: int
    since_ms: int
    doubt: str = ""
    """What is thought of it, a word of `suspicion.State`; empty when nothing is the matter."""


def node_row(seen: SeenNode) -> NodeRow:
    """As lists show it."""
    report, load = seen.report, seen.report.load
    verdict = Verdict.of(Trouble.NODE_DEAD) if not seen.alive else node_verdict(report, _DOUBTS.get(seen.doubt))
    drain, condition = report.drain, report.condition
    left = 0 if drain is None else drain.viewers.left + drain.publishers.left + drain.jobs.left
    return NodeRow(
        id=report.info.node,
        kind=report.info.kind,
        region=report.info.region,
        zone=report.info.zone,
        version=report.info.version,
        state=_state(seen),
        health=verdict.health,
        trouble=verdict.trouble,
        why="" if report.ready else report.not_ready_reason[:200],
        since_ms=seen.since_ms,
        heard_ms=0 if seen.alive and not seen.doubt else seen.heard_ms,
        load=_percent(load.highest()),
        cpu=_percent(load.cpu),
        packets=_percent(load.packets),
        egress=_percent(load.egress),
        lag=_percent(load.loop_lag),
        sessions=load.sessions,
        encoders=load.encoders,
        streams=max(load.streams, len(report.carried)),
        viewers=viewers_at(report) if seen.alive else 0,
        suffering=condition.suffering if condition is not None and seen.alive else 0,
        left=left,
    )


def viewers_at(report: NodeReport) -> int:
    """Of an edge; what an origin feeds are no viewers."""
    return sum(one.viewers for one in report.carried) if report.info.kind is NodeKind.EDGE else 0


def _state(seen: SeenNode) -> str:
    report = seen.report
    if not seen.alive:
        return DEAD
    if seen.doubt:
        return seen.doubt
    if report.draining:
        return "drained" if report.drain is not None and report.drain.phase in _OVER else "draining"
    return "ready" if report.ready else "not_ready"


def _percent(share: float) -> int:
    return min(999, round(share * _ALL))


class StreamTotals(msgspec.Struct, frozen=True, kw_only=True):
    """All streams in a few figures, and the worst of them."""

    streams: int = 0
    viewers: int = 0
    health: dict[str, int] = {}
    troubles: dict[str, int] = {}
    worst: tuple[StreamRow, ...] = ()


def overview(seen: Sequence[SeenNode], totals: StreamTotals, ask: Ask, version: str) -> Picture:
    """The cluster, or a region or zone of it."""
    rows = [node_row(one) for one in seen]
    place = {row.id: row for row in rows}
    inside = [row for row in rows if ask.region in ("", row.region) and ask.zone in ("", row.zone)]
    grouped = len(inside) > MOST_ALONE
    shown = inside
    if grouped:
        troubled = [row for row in inside if row.health is not Health.GOOD]
        shown = sorted(troubled, key=lambda row: (-_RANK[row.health], -row.load, row.id))[:MOST_TROUBLED]
    keys = {row.id for row in inside}
    links = _links((one.report for one in seen if one.alive), place, grouped=grouped, inside=keys.__contains__)
    head = OverviewHead(
        version=version,
        grouped=grouped,
        nodes=len(inside),
        troubled=sum(row.health is not Health.GOOD for row in inside),
        streams=totals.streams,
        viewers=totals.viewers,
        suffering=sum(row.suffering for row in inside),
        health=totals.health,
        troubles=totals.troubles,
    )
    sections: dict[str, dict[str, Row]] = {
        "groups": _groups(inside),
        "nodes": {row.id: row for row in shown},
        "links": links,
        "streams": {f"{row.app}/{row.stream}": row for row in totals.worst},
    }
    return Picture(head, sections)


def group_of(row: NodeRow) -> str:
    """The key of a node's zone."""
    return f"{row.region}|{row.zone}"


def _groups(rows: Iterable[NodeRow]) -> dict[str, Row]:
    of: dict[str, list[NodeRow]] = {}
    for row in rows:
        of.setdefault(group_of(row), []).append(row)
    return {
        key: GroupRow(
            region=members[0].region,
            zone=members[0].zone,
            nodes=len(members),
            kinds=dict(sorted(Counter(row.kind.value for row in members).items())),
            troubled=sum(row.health is not Health.GOOD for row in members),
            health=max((row.health for row in members), key=_RANK.__getitem__),
            load=max(row.load for row in members),
            viewers=sum(row.viewers for row in members),
            suffering=sum(row.suffering for row in members),
            streams=sum(row.streams for row in members if row.kind is NodeKind.ORIGIN),
        )
        for key, members in of.items()
    }


def _links(
    reports: Iterable[NodeReport], place: dict[str, NodeRow], *, grouped: bool, inside: Callable[[str], bool]
) -> dict[str, Row]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for report in reports:
        child: str = report.info.node
        for link in report.condition.links if report.condition is not None else ():
            if link.parent not in place or not (inside(child) and inside(link.parent)):
                continue
            pair = (group_of(place[link.parent]), group_of(place[child])) if grouped else (link.parent, child)
            tracks, streams = found.get(pair, (0, 0))
            found[pair] = tracks + link.tracks, streams + link.streams
    most = sorted(found.items(), key=lambda one: -one[1][0])[:MOST_LINKS]
    return {
        f"{parent}>{child}": LinkRow(parent=parent, child=child, tracks=tracks, streams=streams)
        for (parent, child), (tracks, streams) in most
    }


_SORTS: dict[str, Callable[[NodeRow], tuple[object, ...]]] = {
    NodeSort.HEALTH.value: lambda row: (_RANK[row.health], row.load),
    NodeSort.LOAD.value: lambda row: (row.load,),
    NodeSort.VIEWERS.value: lambda row: (row.viewers,),
    NodeSort.NAME.value: lambda row: (row.id,),
}


def node_page(seen: Sequence[SeenNode], ask: Ask) -> Picture:
    """One page of the nodes."""
    rows = [node_row(one) for one in seen]
    matching = sorted((row for row in rows if _fits(row, ask)), key=lambda row: row.id)
    matching.sort(key=_SORTS[ask.sort], reverse=ask.descending)
    shown = matching[ask.offset : ask.offset + ask.size]
    head = PageHead(total=len(rows), matched=len(matching), offset=ask.offset, size=ask.size)
    return Picture(head, {"nodes": {row.id: row for row in shown}}, tuple(row.id for row in shown))


def _fits(row: NodeRow, ask: Ask) -> bool:
    pairs = ((ask.region, row.region), (ask.zone, row.zone), (ask.kind, row.kind), (ask.health, row.health))
    return ask.q in row.id.lower() and all(not wanted or wanted == found for wanted, found in pairs)


def one_node(
    seen: Sequence[SeenNode], ask: Ask, note: str, stream_row: Callable[[str, str], StreamRow | None]
) -> Picture:
    """One node: what it carries, whom it feeds and by whom it is fed. `stream_row`: by app and id."""
    found = next((one for one in seen if one.report.info.node == ask.node), None)
    if found is None:
        return Picture(NodeHead(found=False), {"streams": {}, "links": {}, "nodes": {}})
    report, tree = found.report, found.report.tree
    place: dict[str, NodeRow] = {one.report.info.node: node_row(one) for one in seen}
    links = _links((one.report for one in seen if one.alive), place, grouped=False, inside=lambda _: True)
    near = {key: row for key, row in links.items() if isinstance(row, LinkRow) and ask.node in (row.parent, row.child)}
    others = {name for row in near.values() if isinstance(row, LinkRow) for name in (row.parent, row.child)}
    carried: dict[str, Row] = {}
    for one in report.carried[:MOST_CARRIED] if found.alive else ():
        row = stream_row(one.app, one.stream)
        if row is not None:
            carried[f"{one.app}/{one.stream}"] = msgspec.structs.replace(row, viewers=one.viewers)
    info = report.info
    head = NodeHead(
        found=True,
        node=place[ask.node],
        address=info.relay_address or info.http_address or info.admin_address,
        memory=_rounded(report),
        drain=report.drain,
        level=tree.level if tree is not None else 0,
        standbys=tree.standbys if tree is not None else (),
        note=note,
    )
    nodes: dict[str, Row] = {name: place[name] for name in sorted(others - {ask.node})}
    return Picture(head, {"streams": carried, "links": near, "nodes": nodes})


def _rounded(report: NodeReport) -> MachineMemory | None:
    memory = report.memory
    return None if memory is None else msgspec.structs.replace(memory, used_mb=memory.used_mb // 50 * 50)
