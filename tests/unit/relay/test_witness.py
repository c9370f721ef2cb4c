"""What a node hears of its parents, and to whom it says so."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeDoubted, NodeSilent, NodeVouched
from rillcast.media.protocol import (
    LookAtRelay,
    PlaneRelay,
    RelayChildSilent,
    RelayHeard,
    RelayParentLost,
    SourceId,
    SourceStats,
)
from rillcast.relay.witness import (
    CHILD_HEARD_MS,
    HEARD_S,
    MOST_ASKED,
    SAID_AGAIN_S,
    DoubtWitness,
    ParentWitness,
    Witness,
)
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane

ORIGIN, OTHER = NodeId("origin-1"), NodeId("origin-2")


class Relay:
    def __init__(self, source: int, parent: NodeId | None = ORIGIN) -> None:
        self.source = SourceId(source)
        self.parent = parent


class Site:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.witness = Witness(self.clock)
        self.relay = Relay(1)
        self.witness.fed(self.relay)

    def figures(self, silent_ms: int = 20, packets: int = 100, source: int = 1) -> None:
        self.witness.on_event(
            SourceStats(
                source=SourceId(source),
                bitrate_bps=0,
                packets=packets,
                lost=0,
                recovered=0,
                keyframes=0,
                frames_per_second=0.0,
                width=0,
                height=0,
                silent_ms=silent_ms,
                consumers=0,
            )
        )


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_parent_whose_media_comes_is_heard(site: Site) -> None:
    assert not site.witness.hears(ORIGIN)
    for _ in range(5):
        site.figures()
        site.clock.advance(1.0)
        assert site.witness.hears(ORIGIN)
    assert not site.witness.hears(OTHER)


def test_it_is_not_heard_any_more_when_nothing_comes_or_nobody_says_what_comes(site: Site) -> None:
    site.figures()
    site.figures(silent_ms=1_400)
    assert not site.witness.hears(ORIGIN)
    site.figures()
    site.clock.advance(HEARD_S)
    assert not site.witness.hears(ORIGIN)


def test_a_source_that_never_brought_anything_says_nothing(site: Site) -> None:
    site.figures(silent_ms=0, packets=0)
    site.figures(source=7)
    assert not site.witness.hears(ORIGIN)


def test_another_parent_has_to_be_heard_anew(site: Site) -> None:
    site.figures()
    site.relay.parent = OTHER
    site.witness.fed(site.relay)
    assert not site.witness.hears(OTHER)
    site.figures()
    assert site.witness.hears(OTHER)


def test_what_is_closed_is_forgotten(site: Site) -> None:
    site.figures()
    for _ in range(2):
        site.witness.ended(site.relay)
    site.figures()
    assert not site.witness.hears(ORIGIN)


def test_a_parent_that_brought_something_and_is_silent_is_missed_until_something_comes(site: Site) -> None:
    lost = RelayParentLost(source=SourceId(1))
    assert site.witness.on_event(lost) is None
    assert not site.witness.misses(ORIGIN)  # nothing ever came
    site.figures()
    assert site.witness.on_event(lost) == ORIGIN
    assert site.witness.misses(ORIGIN) and not site.witness.misses(OTHER)
    assert not site.witness.hears(ORIGIN)
    site.figures(silent_ms=1_400)
    assert site.witness.misses(ORIGIN)
    site.figures()
    assert not site.witness.misses(ORIGIN) and site.witness.hears(ORIGIN)


def test_one_relay_that_still_brings_something_is_enough(site: Site) -> None:
    site.witness.fed(Relay(2))
    for source in (1, 2):
        site.figures(source=source)
    site.witness.on_event(RelayParentLost(source=SourceId(1)))
    assert not site.witness.misses(ORIGIN)
    site.witness.on_event(RelayParentLost(source=SourceId(2)))
    assert site.witness.misses(ORIGIN)
    site.witness.ended(site.relay)
    site.witness.fed(Relay(2))  # from a new parent, or the same one anew
    assert not site.witness.misses(ORIGIN)


class Posted:
    def __init__(self) -> None:
        self.put_out: list[tuple[str, msgspec.Struct]] = []

    def put(self, subject: str, event: msgspec.Struct) -> None:
        self.put_out.append((subject, event))


class Feeder:
    """A node that feeds others, and its plane."""

    def __init__(self, **children: list[int]) -> None:
        self.plane = FakePlane()
        self.children = {NodeId(name): [PlaneRelay(relay) for relay in relays] for name, relays in children.items()}
        self.witness = ParentWitness(self.plane, lambda node: self.children.get(node, []), self._child_of)
        self.said: list[bool] = []

    def _child_of(self, relay: PlaneRelay) -> NodeId | None:
        return next((node for node, relays in self.children.items() if relay in relays), None)

    @property
    def heard(self) -> int:
        return self.said.count(True)

    def look(self, node: str) -> None:
        self.witness.look(NodeId(node), self.said.append)

    def says(self, relay: int, silent_ms: int) -> None:
        self.witness.on_event(RelayHeard(relay=PlaneRelay(relay), silent_ms=silent_ms))

    @property
    def asked(self) -> list[int]:
        return [command.relay for command in self.plane.of(LookAtRelay)]


def test_the_plane_is_asked_for_some_relays_of_the_child_and_of_nobody_else() -> None:
    feeder = Feeder(a=[1, 2, 3, 4, 5, 6], b=[7])
    feeder.look("a")
    feeder.look("nobody")
    assert feeder.asked == [1, 2, 3, 4]


def test_a_child_that_was_heard_a_moment_ago_is_heard_once_for_each_look() -> None:
    feeder = Feeder(a=[1, 2])
    feeder.look("a")
    feeder.says(1, CHILD_HEARD_MS)
    assert feeder.said == [False]
    feeder.says(2, CHILD_HEARD_MS - 1)
    feeder.says(2, 0)
    assert feeder.said == [False, True]
    feeder.look("a")
    feeder.says(1, 0)
    assert feeder.said == [False, True, True]


def test_a_busy_plane_is_not_asked_and_what_is_never_answered_is_bounded() -> None:
    feeder = Feeder(**{f"n{number}": [number] for number in range(MOST_ASKED + 1)})
    feeder.plane.busy = True
    feeder.look("n0")
    feeder.says(0, 0)
    assert feeder.heard == 0
    feeder.plane.busy = False
    for number in range(MOST_ASKED + 1):
        feeder.look(f"n{number}")
    feeder.says(0, 0)
    feeder.says(MOST_ASKED, 0)
    assert feeder.heard == 1


@pytest.mark.parametrize(("silent_ms", "hears"), [(300, True), (900, False)])
async def test_a_parent_says_of_a_doubted_child_whether_its_plane_hears_it(silent_ms: int, hears: bool) -> None:
    bus, outbox, feeder = FakeBus(), Posted(), Feeder(edge=[5])
    vouching = DoubtWitness(ORIGIN, outbox, children=feeder.witness)
    await vouching.serve(bus)
    doubted = NodeDoubted(node=NodeId("edge"), incarnation="abc", signaling=NodeId("signaling-2"))
    await bus.emit(subjects.NODE_DOUBTED, doubted)
    await bus.settle()
    assert outbox.put_out == []
    vouching.on_event(RelayHeard(relay=PlaneRelay(5), silent_ms=silent_ms))
    expected = NodeVouched(node=NodeId("edge"), incarnation="abc", by=ORIGIN, hears=hears)
    assert outbox.put_out == [(subjects.node_vouched(NodeId("signaling-2")), expected)]
    await bus.close()


async def test_who_falls_silent_is_told_once_and_again_after_a_while(site: Site) -> None:
    outbox, feeder = Posted(), Feeder(edge=[5, 6])
    vouching = DoubtWitness(OTHER, outbox, parents=site.witness, children=feeder.witness, clock=site.clock)
    site.figures()
    told = [
        (subjects.NODE_SILENT, NodeSilent(node=NodeId("edge"), by=OTHER)),
        (subjects.NODE_SILENT, NodeSilent(node=ORIGIN, by=OTHER)),
    ]
    for _ in range(2):
        for relay in (5, 6, 7):
            vouching.on_event(RelayChildSilent(relay=PlaneRelay(relay)))
        vouching.on_event(RelayParentLost(source=SourceId(1)))
        assert outbox.put_out == told
    outbox.put_out.clear()
    site.clock.advance(SAID_AGAIN_S)
    vouching.on_event(RelayChildSilent(relay=PlaneRelay(6)))
    assert outbox.put_out == told[:1]


async def test_it_is_said_to_who_asks_and_only_of_who_is_heard(site: Site) -> None:
    bus, outbox = FakeBus(), Posted()
    await DoubtWitness(NodeId("edge-1"), outbox, parents=site.witness).serve(bus)
    site.figures()
    for node in (ORIGIN, OTHER):
        doubted = NodeDoubted(node=node, incarnation="abc", signaling=NodeId("signaling-2"))
        await bus.emit(subjects.NODE_DOUBTED, doubted)
    await bus.settle()
    expected = NodeVouched(node=ORIGIN, incarnation="abc", by=NodeId("edge-1"))
    assert outbox.put_out == [(subjects.node_vouched(NodeId("signaling-2")), expected)]
    await bus.close()
