"""Who takes new work is kept up to date by what is heard, and always what a look at every node would find."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import EXPIRY_S, LOAD_COUNTS_S, NodeDirectory
from rillcast.runtime.discovery.judging import Doubt
from rillcast.runtime.discovery.suspicion import State
from rillcast.testing.clock import FakeClock
from rillcast.testing.discovery import FakeDiscovery

NAMES = tuple(NodeId(f"{kind}-{number}") for kind in ("edge", "origin") for number in (1, 2, 3))
NAMED = st.sampled_from(NAMES)


def info(node: NodeId, incarnation: str) -> NodeInfo:
    kind = NodeKind(node.partition("-")[0])
    return NodeInfo(node=node, kind=kind, version="0", admin_address="127.0.0.1:1", incarnation=incarnation)


class Watch:
    """A `Watcher` that thinks what it is told to."""

    def __init__(self) -> None:
        self.judged: set[NodeId] = set()
        self.distrusted: set[NodeId] = set()

    def heard(self, report: NodeReport) -> None:
        self.distrusted.discard(report.info.node)

    def forget(self, node: NodeId) -> None:
        self.distrusted.discard(node)

    def judges(self, node: NodeId) -> bool:
        return node in self.judged

    def trusts(self, node: NodeId) -> bool:
        return node not in self.distrusted

    def thinks(self, node: NodeId) -> State:
        return State.CLEAR

    def isolates(self, node: NodeId) -> bool:
        return False

    def doubt(self, node: NodeId, by: Doubt) -> None: ...


class _Known:
    """What a node said last, and when."""

    def __init__(self, report: NodeReport, at: float) -> None:
        self.report, self.at = report, at


class TakersOfADirectory(RuleBasedStateMachine):
    """The directory, beside what it was told. `found` looks at every node, as the directory did at first."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.watch, self.registry = FakeClock(), Watch(), FakeDiscovery()
        self.hearing, self.times = 1, 1
        self.directory = NodeDirectory(self.registry, self.clock, lambda: self.hearing)
        self.directory.watched_by(self.watch)
        self.known: dict[NodeId, _Known] = {}
        self.told: dict[NodeId, NodeReport] = {}
        self.directory.on_placeable(self._told)
        self.directory.on_gone(self._gone)

    def _told(self, report: NodeReport, takes: bool) -> None:
        if takes:
            self.told[report.info.node] = report
        else:
            del self.told[report.info.node]

    def _gone(self, report: NodeReport) -> None:
        self.known.pop(report.info.node, None)

    @rule(node=NAMED, incarnation=st.sampled_from("12"), ready=st.booleans(), draining=st.booleans())
    def hears(self, node: NodeId, incarnation: str, ready: bool, draining: bool) -> None:
        report = NodeReport(info=info(node, incarnation), load=NodeLoad(), ready=ready, draining=draining)
        if self.directory.heard(report):
            self.known[node] = _Known(report, self.clock())

    @rule(node=NAMED)
    def leaves(self, node: NodeId) -> None:
        self.directory.left(NodeLeft(node=node, kind=info(node, "1").kind))

    @rule(seconds=st.sampled_from((0.05, 0.5, 1.0, 2.0, LOAD_COUNTS_S, EXPIRY_S)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(node=NAMED)
    def loses_trust(self, node: NodeId) -> None:
        if node in self.known:
            self.watch.distrusted.add(node)
            self.directory.judged(node)

    @rule(node=NAMED, judged=st.booleans())
    def is_judged(self, node: NodeId, judged: bool) -> None:
        (self.watch.judged.add if judged else self.watch.judged.discard)(node)

    @rule()
    def bus_is_lost(self) -> None:
        self.hearing = 0

    @rule()
    def bus_is_heard(self) -> None:
        if not self.hearing:
            self.times += 1
            self.hearing = self.times
            for known in self.known.values():
                known.at = self.clock()

    @rule(node=NAMED, healthy=st.booleans())
    def registry_says(self, node: NodeId, healthy: bool) -> None:
        self.registry.add(info(node, "1"))
        (self.registry.registry.failing.discard if healthy else self.registry.registry.failing.add)(node)

    @rule(reachable=st.booleans())
    def registry_answers(self, reachable: bool) -> None:
        self.registry.reachable = reachable

    @invariant()
    def finds_what_a_look_at_all_would(self) -> None:
        answers = {kind: dict(self.directory.placeable(kind)) for kind in (NodeKind.EDGE, NodeKind.ORIGIN)}
        for kind, answer in answers.items():
            assert answer == self.found(kind)
        assert self.told == answers[NodeKind.EDGE] | answers[NodeKind.ORIGIN]

    def found(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        oldest = self.clock() - LOAD_COUNTS_S if self.hearing else -math.inf
        healthy = self.registry.nodes(kind) if self.registry.reachable else None
        return {
            node: known.report
            for node, known in self.known.items()
            if known.report.info.kind is kind
            and known.report.ready
            and not known.report.draining
            and known.at >= oldest
            and (healthy is None or node in healthy)
            and node not in self.watch.distrusted
        }


TestTakersOfADirectory = TakersOfADirectory.TestCase
TestTakersOfADirectory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
