"""The nodes alive right now and how busy they are, from the heartbeats on the bus."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery.judging import Doubt, Gone, Watcher
from rillcast.runtime.discovery.suspicion import State
from rillcast.runtime.discovery.takers import TakerListener, Takers
from rillcast.runtime.ports import Discovery

EXPIRY_S = 5.0
"""A node not heard of for this long is gone, unless a `Watcher` judges it."""
SUCCESSION_S = 1.4
"""A process under the id of another one is taken for its successor when that one has been silent for so long: it would
have sent a heartbeat."""
LOAD_COUNTS_S = 3.0
"""A load report that is older says nothing any more, so the node gets no new work. They come each second."""
ECHO_S = 1.0
"""For so long after a process was given up, its heartbeats are taken for ones that were sent before its end."""

MOST_AWAITED = 100
"""Waits for a node's heartbeat at one time. Whoever comes besides does not wait."""

JUDGED_AGAIN_S = 0.1
"""After so long those are looked at again who are silent and would be gone, if nobody else judged them."""
MOST_BEFORE = 8
"""Earlier processes of a node that are remembered."""
MOST_DEPARTED = 10_000
"""Nodes of which it is known that they were taken for gone."""

Listener = Callable[[NodeReport], None]


_ENDED = frozenset({Gone.LEFT, Gone.DEAD})
"""Of a node that has ended without a doubt. One that is only silent may go on."""


class _Seen(msgspec.Struct):
    report: NodeReport
    heard_at: float
    reported_at: float
    """The same, but of its heartbeats alone."""
    before: tuple[str, ...] = ()
    """Incarnations that it has succeeded. None of them gets its place back while it lives."""
    stale: bool = False
    """Whether its last heartbeat is older than `LOAD_COUNTS_S`."""


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
        self._of_kind: dict[NodeKind, dict[NodeId, NodeReport]] = {kind: {} for kind in NodeKind}
        self._takers = Takers()
        self._healthy: dict[NodeKind, Mapping[NodeId, NodeInfo] | None] = dict.fromkeys(NodeKind)
        """What discovery said last; None while it says nothing."""
        self._due_at = math.inf
        """Nobody is stale or silent for too long before that."""
        self._on_heard: list[Listener] = []
        self._on_gone: list[Listener] = []
        self._on_back: list[Listener] = []
        self._departed: dict[NodeId, str] = {}
        """The incarnations of nodes that were taken for gone without a goodbye."""
        self._ended: dict[NodeId, str] = {}
        """The last incarnations of nodes that have ended without a doubt."""
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
        healthy = self._ask_discovery(kind)
        live = self._of_kind[kind]
        return dict(live) if healthy is None else {node: report for node, report in live.items() if node in healthy}

    def placeable(self, kind: NodeKind) -> Mapping[NodeId, NodeReport]:
        """Those of `nodes` that take new work: ready, not draining, reached by others as far as is known, and not
        silent about their load for `LOAD_COUNTS_S`. While we hear nothing ourselves, what was known counts. A view,
        which costs the same for any number of nodes: it changes when the node does anything else meanwhile."""
        self.expire()
        healthy = self._ask_discovery(kind)
        if healthy is not self._healthy[kind]:
            self._healthy[kind] = healthy
            self._weigh(*self._of_kind[kind])
        return self._takers.of(kind)

    def get(self, node: NodeId) -> NodeReport | None:
        """The last report of a node that sends heartbeats, whatever discovery says of it; None when it is gone."""
        self.expire()
        seen = self._seen.get(node)
        return seen.report if seen else None

    def last(self, node: NodeId) -> NodeReport | None:
        """The last report of a node, even if it is about to be taken for gone."""
        seen = self._seen.get(node)
        return seen.report if seen else None

    def alive(self, node: NodeId) -> bool:
        """Whether a node sends heartbeats (also when it is draining or not ready)."""
        return self.get(node) is not None

    def died(self, node: NodeId) -> bool:
        """Whether a node was taken for gone without a goodbye, and has not been heard of since."""
        return node in self._departed and self.get(node) is None

    def has_ended(self, info: NodeInfo) -> bool:
        """Whether this process does nothing any more, and not just says nothing: it said goodbye, or its machine told
        us that it is gone. To be asked in a listener of `on_gone`: later nodes may push it out of our memory."""
        return self._ended.get(info.node) == info.incarnation

    def thought_of(self, node: NodeId) -> State:
        """What is thought of a node, for people who look at it."""
        return State.CLEAR if self._watcher is None else self._watcher.thinks(node)

    def kept_from_writing(self, node: NodeId) -> bool:
        """Whether a node lives, and says with its heartbeats that the store takes no writes of it, or is cut off from
        the bus that we hear."""
        report = self.get(node)
        cut_off = self._watcher is not None and self._watcher.isolates(node)
        return report is not None and (report.store_lost or cut_off)

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

    def on_heard(self, listener: Listener) -> None:
        """Call `listener` with each heartbeat that is taken in."""
        self._on_heard.append(listener)

    def on_placeable(self, listener: TakerListener) -> None:
        """Tell `listener` of the nodes that are `placeable`, and of every change of them, at the latest with the next
        question."""
        self._takers.listen(listener)

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
        self._weigh(*self._seen)

    def judged(self, node: NodeId) -> None:
        """What `Watcher.trusts` says of the node may have changed."""
        self._weigh(node)

    def doubt(self, node: NodeId) -> None:
        """A request to the node had no answer."""
        if self._watcher is not None:
            self._watcher.doubt(node, Doubt.REQUEST)

    # ---- feeding

    def heard(self, report: NodeReport) -> bool:
        """Take a heartbeat in. A new incarnation of a node means that the old one is gone, if that is silent; while it
        speaks, the new one is refused. False when it was refused."""
        if self._is_echo(report.info):
            return True
        predecessors = self._predecessors(report.info)
        if predecessors is None:
            return False
        now, node = self._clock(), report.info.node
        self._seen[node] = _Seen(report, now, now, predecessors)
        self._of_kind[report.info.kind][node] = report
        self._due_at = min(self._due_at, now + LOAD_COUNTS_S)
        if self._watcher is not None:
            self._watcher.heard(report)
        for listener in self._on_heard:
            listener(report)
        self._weigh(node)
        for wait in self._waits:
            if wait.node == node and wait.wanted(report):
                wait.over.set()
        if self._departed and self._departed.pop(node, None) == report.info.incarnation:
            for listener in self._on_back:
                listener(report)
        return True

    def left(self, event: NodeLeft) -> None:
        """A node said goodbye: forget it and tell the listeners of `on_gone`."""
        self._gone(event.node, Gone.LEFT)

    def confirmed(self, info: NodeInfo) -> None:
        """This process has answered: as if it had sent a heartbeat."""
        seen = self._seen.get(info.node)
        if seen is not None and seen.report.info.incarnation == info.incarnation:
            seen.heard_at = self._clock()

    def given_up(self, info: NodeInfo, why: Gone) -> None:
        """The watcher says that this process is gone; nothing happens if another one is there by now."""
        seen = self._seen.get(info.node)
        if seen is not None and seen.report.info.incarnation == info.incarnation:
            now = self._clock()
            self._given_up = {node: (of, at) for node, (of, at) in self._given_up.items() if at > now - ECHO_S}
            self._given_up[info.node] = (info.incarnation, now)
            self._gone(info.node, why)

    def expire(self) -> None:
        """Drop who fell silent. Called by itself on every question and each second. It looks at all of them only when
        the time of one may be over, so it costs nothing as long as all send their heartbeats."""
        hearing = self._hearing()
        if hearing != self._heard_in:
            self._hear_anew(hearing)
        now = self._clock()
        if not hearing or now <= self._due_at:
            return
        for node in [node for node, seen in self._seen.items() if seen.heard_at < now - EXPIRY_S]:
            if self._watcher is None or not self._watcher.judges(node):
                self._gone(node, Gone.SILENT)
        self._due_at = math.inf
        for node, seen in self._seen.items():
            if not seen.stale and seen.reported_at < now - LOAD_COUNTS_S:
                seen.stale = True
                self._weigh(node)
            if not seen.stale:
                self._due_at = min(self._due_at, seen.reported_at + LOAD_COUNTS_S)
            gone_at = seen.heard_at + EXPIRY_S
            self._due_at = min(self._due_at, gone_at if gone_at >= now else now + JUDGED_AGAIN_S)

    def _hear_anew(self, hearing: int) -> None:
        """We hear the bus, or nothing any more. What was missed is unknown: everybody gets the full time again."""
        self._heard_in = hearing
        if hearing:
            now = self._clock()
            for seen in self._seen.values():
                seen.heard_at = seen.reported_at = now
                seen.stale = False
            self._due_at = now + LOAD_COUNTS_S if self._seen else math.inf
        self._weigh(*self._seen)

    def _weigh(self, *nodes: NodeId) -> None:
        """Find out anew whether these take new work."""
        for node in nodes:
            seen = self._seen[node]
            report, healthy = seen.report, self._healthy[seen.report.info.kind]
            counts = not (seen.stale and self._heard_in) and (healthy is None or node in healthy)
            self._takers.set(report, report.ready and not report.draining and counts and self._trusts(node))

    def _ask_discovery(self, kind: NodeKind) -> Mapping[NodeId, NodeInfo] | None:
        discovery = self._discovery
        return discovery.nodes(kind) if discovery is not None and discovery.reachable else None

    def _predecessors(self, info: NodeInfo) -> tuple[str, ...] | None:
        """Those of this process, of which the last one is gone now; None when it is not the one that counts."""
        known = self._seen.get(info.node)
        if known is None:
            departed = self._departed.get(info.node, info.incarnation)
            return () if departed == info.incarnation else (departed,)
        incarnation = known.report.info.incarnation
        if incarnation == info.incarnation:
            return known.before
        speaks = self._clock() - known.heard_at < SUCCESSION_S and self._trusts(info.node)
        if speaks or info.incarnation in known.before:
            return None
        self._gone(info.node, Gone.RESTARTED)
        return (*known.before, incarnation)[-MOST_BEFORE:]

    def _trusts(self, node: NodeId) -> bool:
        return self._watcher is None or self._watcher.trusts(node)

    def _is_echo(self, info: NodeInfo) -> bool:
        """Whether a heartbeat is of a process that was given up a moment ago."""
        incarnation, at = self._given_up.get(info.node, ("", -math.inf))
        return incarnation == info.incarnation and at > self._clock() - ECHO_S

    def _gone(self, node: NodeId, why: Gone) -> None:
        seen = self._seen.pop(node, None)
        if seen is None:
            return
        del self._of_kind[seen.report.info.kind][node]
        self._takers.set(seen.report, False)
        metrics.NODES_GONE.labels(seen.report.info.kind, why).inc()
        if self._watcher is not None:
            self._watcher.forget(node)
        if why in _ENDED:
            if len(self._ended) >= MOST_DEPARTED:
                del self._ended[next(iter(self._ended))]
            self._ended[node] = seen.report.info.incarnation
        if why not in {Gone.LEFT, Gone.RESTARTED}:
            if len(self._departed) >= MOST_DEPARTED:
                del self._departed[next(iter(self._departed))]
            self._departed[node] = seen.report.info.incarnation
        for listener in self._on_gone:
            listener(seen.report)
