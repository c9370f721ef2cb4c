"""What a node hears of its parents, and to whom it says so."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeDoubted, NodeVouched
from rillcast.media.protocol import SourceId, SourceStats
from rillcast.relay.witness import HEARD_S, Vouching, Witness
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock

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


class Posted:
    def __init__(self) -> None:
        self.put_out: list[tuple[str, msgspec.Struct]] = []

    def put(self, subject: str, event: msgspec.Struct) -> None:
        self.put_out.append((subject, event))


async def test_it_is_said_to_who_asks_and_only_of_who_is_heard(site: Site) -> None:
    bus, outbox = FakeBus(), Posted()
    await Vouching(NodeId("edge-1"), outbox, parents=site.witness).serve(bus)
    site.figures()
    for node in (ORIGIN, OTHER):
        doubted = NodeDoubted(node=node, incarnation="abc", signaling=NodeId("signaling-2"))
        await bus.emit(subjects.NODE_DOUBTED, doubted)
    await bus.settle()
    expected = NodeVouched(node=ORIGIN, incarnation="abc", by=NodeId("edge-1"))
    assert outbox.put_out == [(subjects.node_vouched(NodeId("signaling-2")), expected)]
    await bus.close()
