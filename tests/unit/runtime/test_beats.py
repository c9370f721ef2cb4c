"""What is said in the name of a node is refused unless it is the node's own, whoever of its kind says it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import CarriedStream, NodeInfo, NodeLeft, NodeLoad, NodeReport
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.beats import MOST_CHECKED_PER_S, SUSPECT_S, Beats, farewell, statement
from rillcast.runtime.discovery.directory import SUCCESSION_S, NodeDirectory
from rillcast.runtime.discovery.nats_discovery import feed_directory
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock


class Process:
    """An edge that beats."""

    def __init__(self, node: str = "edge-1", incarnation: str = "1") -> None:
        self.identity = NodeIdentity()
        self.info = NodeInfo(
            node=NodeId(node),
            kind=NodeKind.EDGE,
            version="1",
            admin_address="127.0.0.1:1",
            incarnation=incarnation,
            identity=self.identity.public,
        )
        self.beats = 0

    def beat(self, **changes: object) -> NodeReport:
        self.beats += 1
        report = NodeReport(info=self.info, load=NodeLoad(cpu=0.5), ready=True, beat=self.beats, up_s=self.beats / 3)
        return self.signed(replace(report, **changes))

    def signed(self, report: NodeReport) -> NodeReport:
        return replace(report, signature=self.identity.sign(statement(report)))

    def goodbye(self) -> NodeLeft:
        event = NodeLeft(node=self.info.node, kind=self.info.kind, incarnation=self.info.incarnation)
        return replace(event, signature=self.identity.sign(farewell(event)))


SUBJECT = subjects.node_reported(NodeKind.EDGE, NodeId("edge-1"))
LEFT = subjects.node_left(NodeKind.EDGE, NodeId("edge-1"))


class Site:
    """One that hears, and one that says whatever it likes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.directory = NodeDirectory(clock=self.clock)
        self.gone: list[str] = []
        self.directory.on_gone(lambda last: self.gone.append(last.info.incarnation))
        broker = FakeBroker()
        self.ears, self.mouth = FakeBus(broker), FakeBus(broker)

    async def listen(self) -> None:
        beats = Beats(is_signed_by, clock=self.clock, chance=lambda: 0.0)
        await feed_directory(self.ears, self.directory, beats)

    async def say(self, event: NodeReport | NodeLeft, subject: str = "") -> dict[str, float]:
        """What was counted."""
        before = counted()
        await self.mouth.emit(subject or (LEFT if isinstance(event, NodeLeft) else SUBJECT), event)
        await self.ears.settle()
        return {why: n - before.get(why, 0.0) for why, n in counted().items() if n != before.get(why, 0.0)}

    def load(self) -> float | None:
        report = self.directory.get(NodeId("edge-1"))
        return report.load.cpu if report else None


def counted() -> dict[str, float]:
    name = "rillcast_node_events_refused"
    (family,) = (found for found in REGISTRY.collect() if found.name == name)
    return {one.labels["why"]: one.value for one in family.samples if one.name == f"{name}_total"}


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.listen()
    return made


async def test_a_nodes_own_heartbeats_and_its_goodbye_count(site: Site) -> None:
    edge = Process()
    assert await site.say(edge.beat()) == {}
    assert await site.say(edge.beat(load=NodeLoad(cpu=0.7))) == {}
    assert site.load() == 0.7
    assert await site.say(edge.goodbye()) == {}
    assert (site.load(), site.gone) == (None, ["1"])


async def test_a_goodbye_that_another_node_of_the_kind_says_is_refused(site: Site) -> None:
    edge, other = Process(), Process("edge-2")
    await site.say(edge.beat())
    by_other = replace(edge.goodbye(), signature=other.identity.sign(farewell(edge.goodbye())))
    assert await site.say(by_other) == {"forged": 1}
    assert await site.say(replace(edge.goodbye(), signature="")) == {"forged": 1}
    assert await site.say(other.goodbye(), LEFT) == {"subject": 1}
    assert site.gone == []


async def test_a_goodbye_that_is_said_again_does_not_end_the_next_process(site: Site) -> None:
    before, after = Process(), Process(incarnation="2")
    await site.say(before.beat())
    goodbye = before.goodbye()
    await site.say(goodbye)
    assert await site.say(after.beat()) == {}
    assert await site.say(goodbye) == {"stranger": 1}
    assert site.directory.alive(NodeId("edge-1"))


async def test_a_heartbeat_that_comes_again_is_refused(site: Site) -> None:
    edge = Process()
    ready, drained = edge.beat(), edge.beat(ready=False, draining=True)
    await site.say(ready)
    await site.say(drained)
    assert await site.say(ready) == {"replayed": 1}
    assert site.directory.placeable(NodeKind.EDGE) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"load": NodeLoad(cpu=0.0)},
        {"ready": False},
        {"draining": True},
        {"store_lost": True},
        {"beat": 1_000_000},
        {"up_s": 1.0},
        {"carried": (CarriedStream(app=AppName("live"), stream=StreamId("s"), viewers=9),)},
    ],
)
async def test_a_load_report_that_somebody_else_has_changed_is_refused(site: Site, changes: dict[str, object]) -> None:
    edge = Process()
    await site.say(edge.beat())
    assert await site.say(replace(edge.beat(), **changes)) == {"forged": 1}
    assert site.load() == 0.5


async def test_a_node_cannot_be_described_otherwise_while_it_lives(site: Site) -> None:
    edge, thief = Process(), Process()
    await site.say(edge.beat())
    elsewhere = replace(edge.beat(), info=replace(edge.info, relay_address="192.0.2.66"))
    assert await site.say(edge.signed(elsewhere)) == {"changed": 1}
    assert await site.say(thief.signed(replace(edge.beat(), info=thief.info))) == {"changed": 1}
    unsigned = replace(edge.beat(), info=replace(edge.info, identity=""), signature="")
    assert await site.say(unsigned) == {"changed": 1}


async def test_a_second_process_is_refused_while_the_first_one_speaks(site: Site) -> None:
    first, second = Process(), Process(incarnation="2")
    for _ in range(10):
        assert await site.say(first.beat()) == {}
        assert await site.say(second.beat()) == {"twice": 1}
        site.clock.advance(1.0)
    assert site.gone == []
    site.clock.advance(SUCCESSION_S + 0.1)
    assert await site.say(second.beat()) == {}
    assert site.gone == ["1"]
    assert await site.say(first.beat()) == {"twice": 1}


async def test_a_forger_makes_every_heartbeat_of_that_node_be_looked_at() -> None:
    clock, chances = FakeClock(), [0.0]
    beats = Beats(is_signed_by, clock=clock, chance=lambda: chances[0])
    edge, others = Process(), [Process(f"edge-{n}") for n in range(2, 12)]
    known = edge.beat()
    forged = replace(edge.beat(), ready=False)
    for _ in range(MOST_CHECKED_PER_S):  # more than are looked at
        for one in others:
            report = one.beat()
            assert beats.fault(subjects.node_reported(NodeKind.EDGE, one.info.node), report, None) is None
    clock.advance(1.0)
    chances[0] = 0.5  # the chance is a tenth now
    assert beats.fault(SUBJECT, forged, known) is None
    chances[0] = 0.05
    assert beats.fault(SUBJECT, forged, known) == "forged"
    chances[0] = 0.99
    assert beats.fault(SUBJECT, forged, known) == "forged"
    clock.advance(SUSPECT_S + 1)
    assert beats.fault(SUBJECT, forged, known) in {None, "forged"}
    assert len(beats._suspected) <= 1


async def test_a_node_without_a_key_is_believed_as_before(site: Site) -> None:
    info = replace(Process().info, identity="")
    assert await site.say(NodeReport(info=info, load=NodeLoad(cpu=0.2), ready=True)) == {}
    assert await site.say(NodeLeft(node=info.node, kind=info.kind)) == {}
    assert site.load() is None
