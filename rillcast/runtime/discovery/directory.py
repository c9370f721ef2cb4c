"""The nodes alive right now and how busy they are, from the heartbeats on the bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.ports import Discovery

EXPIRY_S = 5.0
"""A node not heard of for this long is gone, unless a `Watcher` judges it."""
ECHO_S = 1.0
"""For so long after a process was given up, its heartbeats are taken for ones that were sent before its end."""

MOST_AWAITED = 100
"""Waits for a node's heartbeat at one time. Whoever comes besides does not wait."""

MOST_DEPARTED = 10_000
"""Nodes of which it is known that they were taken for gone."""

Listener = Callable[[NodeReport], None]


class Doubt(StrEnum):
    """What makes a node doubtful."""

    LIFELINE = "lifeline"
    """The one that was held to the node broke."""
    HEARTBEAT = "heartbeat"
    """None came for longer than usual."""
    REQUEST = "request"
    """One to the node had no answer."""


class Watcher(Protocol):
    """Who judges nodes better than by their silence (`rillcast.runtime.discovery.node_watch`)."""

    def heard(self, report: NodeReport) -> None:
        """A heartbeat came. Called for each, after `forget` when it is that of another process than before."""
        ...

    def forget(self, node: NodeId) -> None:
        """The node is gone, for whatever reason."""
        ...

    def judges(self, node: NodeId) -> bool:
        """Whether it says when the node is gone."""
        ...

    def trusts(self, node: NodeId) -> bool:
        """Whether the node can be given new sessions."""
        ...

    def doubt(self, node: NodeId, by: Doubt) -> None:
        """Something makes the node doubtful. Cheap: may be called for each request that had no answer."""
        ...


class _Seen(msgspec.Struct):
    report: NodeReport
    heard_at: float


class _Wait(msgspec.Struct, eq=False):
    node: NodeId
    wanted: Callable[[NodeReport], bool]
    over: asyncio.Event


class NodeDirectory:
    """Live `NodeReport`s. While this node itself hears nothing from the bus, nobody expires: a bus that is gone or
    stalled must never look like the death of everybody."""

    def __init__(
        self,
        discovery: Discovery | None = None,
        clock: Callable[[], float] = time.monotonic,
        hearing: Callable[[], int] = lambda: 1,
    ) -> None:
        """`hearing`: see `Bus.hearing`."""
        self._discovery = discovery
        self._clock = clock
        self._hearing = hearing
        self._heard_in = hearing()
        self._seen: dict[NodeId, _Seen] = {}
        self._on_gone: list[Listener] = []
        self._on_back: list[Listener] = []
        self._departed: dict[NodeId, str] = {}
        """The incarnations of nodes that were taken for gone without a goodbye."""
        self._waits: set[_Wait] = set()
        self._watcher: Watcher | None = None
        self._given_up: dict[NodeId, tuple[str, float]] = {}
        """Incarnation and time, for `ECHO_S`."""

    # ---- asking

    @property
    def hearing(self) -> int:
        """See `Bus.hearing`."""
        return self._hearing()

    def silent(self, longer_s: float) -> list[NodeId]:
        """The nodes whose last heartbeat is older than so many seconds. The time begins anew when we begin to hear
        anew."""
        self.expire()
        oldest = self._clock() - longer_s
        return [node for node, seen in self._seen.items() if seen.heard_at < oldest]

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        """Nodes of a kind that send heartbeats and, as long as discovery answers, pass their checks there."""
        self.expire()
        live = {node: seen.report for node, seen in self._seen.items() if seen.report.info.kind == kind}
        if self._discovery is None or not self._discovery.reachable:
            return live
        healthy = self._discovery.nodes(kind)
        return {node: report for node, report in live.items() if node in healthy}

    def placeable(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        """Those of `nodes` that take new work: ready, not draining, and reached by others as far as is known."""
        return {n: r for n, r in self.nodes(kind).items() if r.ready and not r.draining and self._trusts(n)}

    def get(self, node: NodeId) -> NodeReport | None:
        """The last report of a node that sends heartbeats, whatever discovery says of it; None when it is gone."""
        self.expire()
        seen = self._seen.get(node)
        return seen.report if seen else None

    def alive(self, node: NodeId) -> bool:
        """Whether a node sends heartbeats (also when it is draining or not ready)."""
        return self.get(node) is not None

    def kept_from_writing(self, node: NodeId) -> bool:
        """Whether a node sends heartbeats that say that the store takes no writes of it."""
        report = self.get(node)
        return report is not None and report.store_lost

    async def until(self, node: NodeId, wanted: Callable[[NodeReport], bool], timeout_s: float) -> None:
        """Return when the last report of a node is as `wanted`: at once, or with one of its next heartbeats. Returns
        also when the time is over, or at once when too many wait."""
        report = self.get(node)
        if (report is not None and wanted(report)) or len(self._waits) >= MOST_AWAITED:
            return
        wait = _Wait(node, wanted, asyncio.Event())
        self._waits.add(wait)
        try:
            async with asyncio.timeout(timeout_s):
                await wait.over.wait()
        except TimeoutError:
            pass  # whoever asks looks for himself
        finally:
            self._waits.discard(wait)

    def all(self) -> list[NodeReport]:
        """Every node that sends heartbeats."""
        self.expire()
        return [seen.report for seen in self._seen.values()]

    def on_gone(self, listener: Listener) -> None:
        """Call `listener` with the last report of each node that said goodbye or fell silent."""
        self._on_gone.append(listener)

    def on_back(self, listener: Listener) -> None:
        """Call `listener` with the report of each process that is heard of again after it was taken for gone."""
        self._on_back.append(listener)

    def watched_by(self, watcher: Watcher) -> None:
        """From now on `watcher` judges the nodes of its kinds. Call once."""
        self._watcher = watcher
        for seen in self._seen.values():
            watcher.heard(seen.report)

    def doubt(self, node: NodeId) -> None:
        """A request to the node had no answer."""
        if self._watcher is not None:
            self._watcher.doubt(node, Doubt.REQUEST)

    # ---- feeding

    def heard(self, report: NodeReport) -> None:
        """Take a heartbeat in. A new incarnation of a node means that the old one is gone."""
        if self._is_echo(report.info):
            return
        before = self._seen.get(report.info.node)
        if before is not None and before.report.info.incarnation != report.info.incarnation:
            self._gone(report.info.node, "restarted")
        self._seen[report.info.node] = _Seen(report, self._clock())
        if self._watcher is not None:
            self._watcher.heard(report)
        for wait in self._waits:
            if wait.node == report.info.node and wait.wanted(report):
                wait.over.set()
        if self._departed and self._departed.pop(report.info.node, None) == report.info.incarnation:
            for listener in self._on_back:
                listener(report)

    def left(self, event: NodeLeft) -> None:
        """A node said goodbye: forget it and tell the listeners of `on_gone`."""
        self._gone(event.node, "left")

    def confirmed(self, info: NodeInfo) -> None:
        """This process has answered: as if it had sent a heartbeat."""
        seen = self._seen.get(info.node)
        if seen is not None and seen.report.info.incarnation == info.incarnation:
            seen.heard_at = self._clock()

    def given_up(self, info: NodeInfo, why: str) -> None:
        """The watcher says that this process is gone; nothing happens if another one is there by now. `why`: a label
        of ``rillcast_nodes_gone_total``."""
        seen = self._seen.get(info.node)
        if seen is not None and seen.report.info.incarnation == info.incarnation:
            self._given_up[info.node] = (info.incarnation, self._clock())
            self._gone(info.node, why)

    def expire(self) -> None:
        """Drop who fell silent. Called by itself on every question and each second."""
        hearing = self._hearing()
        if not hearing:
            return
        now = self._clock()
        if hearing != self._heard_in:
            self._heard_in = hearing
            for seen in self._seen.values():  # what was missed is unknown: everybody gets the full time again
                seen.heard_at = now
        oldest = now - EXPIRY_S
        for node in [node for node, seen in self._seen.items() if seen.heard_at < oldest]:
            if self._watcher is None or not self._watcher.judges(node):
                self._gone(node, "silent")

    def _trusts(self, node: NodeId) -> bool:
        return self._watcher is None or self._watcher.trusts(node)

    def _is_echo(self, info: NodeInfo) -> bool:
        """Whether a heartbeat is of a process that was given up a moment ago."""
        if not self._given_up:
            return False
        recent = self._clock() - ECHO_S
        self._given_up = {node: (of, at) for node, (of, at) in self._given_up.items() if at > recent}
        return self._given_up.get(info.node, ("", 0.0))[0] == info.incarnation

    def _gone(self, node: NodeId, why: str) -> None:
        seen = self._seen.pop(node, None)
        if seen is None:
            return
        metrics.NODES_GONE.labels(seen.report.info.kind, why).inc()
        if self._watcher is not None:
            self._watcher.forget(node)
        if why not in {"left", "restarted"}:
            if len(self._departed) >= MOST_DEPARTED:
                del self._departed[next(iter(self._departed))]
            self._departed[node] = seen.report.info.incarnation
        for listener in self._on_gone:
            listener(seen.report)
