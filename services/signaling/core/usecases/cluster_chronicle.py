"""Notes what happens to streams and nodes. Every instance notices it, and the journal takes it in once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeReport
from rillcast.contracts.words import DrainPhase, NodeKind
from services.signaling.core.usecases.join_chronicle import Notes, ReportsOfNodes

FRESH_S = 10.0
"""A stream or node that is older when this process hears of it first was there before: that is no event."""
_OVER = frozenset({DrainPhase.DRAINED, DrainPhase.CUT})


class StreamsByKey(Protocol):
    """The part of `StreamDirectory` that this needs."""

    def by_key(self, key: str) -> LiveStream | None: ...


class StreamChronicle:
    """One per signaling instance."""

    def __init__(
        self, notes: Notes, streams: StreamsByKey, nodes: ReportsOfNodes, wall_clock: Callable[[], float]
    ) -> None:
        """`wall_clock`: Unix time in seconds."""
        self._notes = notes
        self._streams = streams
        self._nodes = nodes
        self._wall_clock = wall_clock
        self._live: dict[str, LiveStream] = {}

    def changed(self, key: str) -> None:
        """The stream with this key appeared, changed or went away."""
        live = self._streams.by_key(key)
        before = self._live.get(key)
        if live is None:
            if before is not None:
                del self._live[key]
                self._note(EventKind.STREAM_ENDED, before)
            return
        if not live.record.media_flowing:
            return
        self._live[key] = live
        if before is None and self._wall_clock() - live.record.started_at_ms / 1_000 < FRESH_S:
            self._note(EventKind.STREAM_STARTED, live)

    def _note(self, kind: EventKind, live: LiveStream) -> None:
        owner = live.record.owner
        report = self._nodes.last(owner)
        event = ClusterEvent(
            kind=kind,
            at_ms=int(self._wall_clock() * 1_000),
            app=live.app,
            stream=live.stream,
            node=owner,
            node_kind=NodeKind.ORIGIN,
            zone=report.info.zone if report is not None else "",
        )
        self._notes.note(event, f"{kind.value}/{live.key}/{live.epoch.number}/{live.epoch.claim}")


class _Known(msgspec.Struct):
    incarnation: str
    phase: DrainPhase = DrainPhase.NONE


class NodeChronicle:
    """One per signaling instance."""

    def __init__(self, notes: Notes, has_ended: Callable[[NodeInfo], bool], wall_clock: Callable[[], float]) -> None:
        """`has_ended`: whether a node that is gone said so, or was seen to be dead. `wall_clock`: Unix time."""
        self._notes = notes
        self._has_ended = has_ended
        self._wall_clock = wall_clock
        self._known: dict[NodeId, _Known] = {}

    def heard(self, report: NodeReport) -> None:
        """Called for each heartbeat of each node."""
        info = report.info
        known = self._known.get(info.node)
        if known is None or known.incarnation != info.incarnation:
            known = self._known[info.node] = _Known(info.incarnation)
            if report.up_s < FRESH_S:
                self._note(EventKind.NODE_JOINED, info)
        phase = report.drain.phase if report.drain is not None else DrainPhase.NONE
        if phase is known.phase:
            return
        known.phase, before = phase, known.phase
        if phase is DrainPhase.DRAINING:
            self._note(EventKind.NODE_DRAINING, info)
        elif phase in _OVER and before not in _OVER:
            self._note(EventKind.NODE_DRAINED, info, phase.value)

    def gone(self, report: NodeReport) -> None:
        """A node has ended, or is taken for dead."""
        if self._known.pop(report.info.node, None) is not None:
            ended = self._has_ended(report.info)
            self._note(EventKind.NODE_LEFT, report.info, "" if ended else "it is silent")

    def _note(self, kind: EventKind, info: NodeInfo, why: str = "") -> None:
        event = ClusterEvent(
            kind=kind,
            at_ms=int(self._wall_clock() * 1_000),
            node=info.node,
            node_kind=info.kind,
            zone=info.zone,
            why=why,
        )
        self._notes.note(event, f"{kind.value}/{info.node}/{info.incarnation}")
