"""The order that placement keeps gives what a look at every node would, whatever is heard and sent, in any order."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from placement_reports import LIVE, report
from scan import possible

from rillcast.cluster.placement import Carriers, PendingJoins, Place, Placement, PlacementLimits, RegionOrder
from rillcast.cluster.placement import candidates as candidates_module
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import CarriedStream, NodeLoad, NodeReport

NAMES = tuple(NodeId(f"e{number}") for number in range(8))
STREAMS = (StreamId("s1"), StreamId("s2"))
ORDER = {"eu": ("us", "ap"), "us": ("eu",)}
LOADS = st.sampled_from((0.0, 0.1, 0.24, 0.25, 0.3, 0.5, 0.84, 0.85, 0.9, 0.99, 1.0, 1.2))
PLACES = st.builds(Place, st.sampled_from(("", "eu", "us", "ap", "sa")), st.sampled_from(("", "1", "2")))
LIMITS = PlacementLimits()
SAID = st.builds(
    report,
    st.sampled_from(NAMES),
    load=LOADS,
    loop_lag=LOADS,
    sessions=st.sampled_from((0, 1, 2, 60)),
    region=st.sampled_from(("", "eu", "us", "ap", "sa")),
    zone=st.sampled_from(("", "1", "2")),
    draining=st.sampled_from((False, False, False, True)),
)


class PlacementInOrder(RuleBasedStateMachine):
    """One signaling instance, and beside it what each node said last. `great`: see `candidates.GREAT`."""

    @initialize(great=st.sampled_from((1, 3, 64)), seed=st.integers(0, 9))
    def begin(self, great: int, seed: int) -> None:
        self.now = 100.0
        self.pending = PendingJoins()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(candidates_module.Candidates.__init__, "__defaults__", (great,))
            self.placement = Placement(
                self.pending, order=RegionOrder(ORDER), limits=LIMITS, rng=random.Random(seed), carriers=Carriers()
            )
        self.said: dict[NodeId, NodeReport] = {}
        self.weights: dict[NodeId, float] = {}
        """Of the joins to come, at the node's last heartbeat or join."""
        self.touched: set[NodeId] = set()
        self.pending.on_change(self.touched.add)
        self.sessions = 0

    @rule(said=SAID, streams=st.sets(st.sampled_from(STREAMS)))
    def hears(self, said: NodeReport, streams: set[StreamId]) -> None:
        carried = tuple(CarriedStream(app=LIVE, stream=stream, viewers=1) for stream in sorted(streams))
        self._hear(replace(said, carried=carried))

    @rule(node=st.sampled_from(NAMES), load=LOADS)
    def hears_a_new_load(self, node: NodeId, load: float) -> None:
        if node in self.said:
            self._hear(replace(self.said[node], load=NodeLoad(cpu=load)))

    @rule(node=st.sampled_from(NAMES))
    def loses(self, node: NodeId) -> None:
        said = self.said.pop(node, None)
        if said is not None:
            self.placement.changed(said, False, self.now)
            self.placement.gone(said)

    @rule(node=st.sampled_from(NAMES), count=st.sampled_from((1, 3, 40, 300)))
    def sends_joins(self, node: NodeId, count: int) -> None:
        for _ in range(count):
            self.sessions += 1
            self.pending.placed(SessionId(f"v{self.sessions}"), node, self.now)

    @rule(last=st.integers(0, 400))
    def join_is_over(self, last: int) -> None:
        self.pending.dropped(SessionId(f"v{self.sessions - last}"))

    @rule(last=st.integers(0, 400))
    def join_connects(self, last: int) -> None:
        self.pending.connected(SessionId(f"v{self.sessions - last}"), self.now)

    @rule(seconds=st.sampled_from((0.1, 1.0, 2.5, 20.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(place=PLACES, stream=st.sampled_from(STREAMS), excluded=st.sets(st.sampled_from(NAMES)))
    def places_a_viewer(self, place: Place, stream: StreamId, excluded: set[NodeId]) -> None:
        self._catch_up()
        carriers = [node for node, said in self.said.items() if any(c.stream == stream for c in said.carried)]
        expected = possible(
            self.said.values(), carriers, place, self._weight, limits=LIMITS, order=ORDER, excluded=excluded
        )
        for _ in range(5):
            try:
                node = self.placement.viewer((LIVE, stream), place, self.now, excluded)
            except RillcastError as error:
                assert error.code is expected
            else:
                assert not isinstance(expected, ErrorCode)
                assert node in expected

    @invariant()
    def counts_viewers(self) -> None:
        carriers = self.placement.carriers
        for stream in STREAMS:
            total = sum(c.viewers for said in self.said.values() for c in said.carried if c.stream == stream)
            assert carriers.viewers(LIVE, stream) == total

    def _hear(self, said: NodeReport) -> None:
        node = said.info.node
        self.said[node] = said
        self.weights[node] = self.pending.weight(node, self.now)
        self.placement.heard(said)
        self.placement.changed(said, not said.draining, self.now)

    def _catch_up(self) -> None:
        self.pending.expire(self.now)
        for node in self.touched:
            self.weights[node] = self.pending.weight(node, self.now)
        self.touched.clear()

    def _weight(self, node: NodeId) -> float:
        return self.weights.get(node, 0.0)


TestPlacementInOrder = PlacementInOrder.TestCase
TestPlacementInOrder.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
