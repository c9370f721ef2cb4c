"""The child side of relays: which states follow which events, and that every relay is given back exactly once."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, RelayId, SessionId, StreamId, TrackId
from rillcast.contracts.messages import Ack, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import AddRelaySource, Command, RemoveSource, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.relay.child import TRANSITIONS, ChildEvent, ChildRelay, ChildRelays, ChildState
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
CHILD, A, B = NodeId("edge-1"), NodeId("origin-1"), NodeId("origin-2")
KEY_TEXT = base64.b64encode(bytes(28)).decode()
SERVER_ERROR = RillcastError(ErrorCode.SERVER_ERROR, "no")
REFUSAL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "64 nodes are fed")


def supply(node: NodeId, epoch: int = 1) -> TrackSupply:
    return TrackSupply(VIDEO, node, epoch, epoch)


def live(node: NodeId = A) -> LiveStream:
    record = StreamRecord(
        app=AppName("live"), stream=StreamId("s1"), owner=node, publisher_session=SessionId("p"), tracks=(VIDEO,)
    )
    return LiveStream("live/s1", record, 1, 1, (), (supply(node),))


def granted(epoch: int = 1, codec: str = "VP8") -> RelayGrant:
    return RelayGrant(
        parent_address="192.0.2.7:51000",
        ssrc=7,
        payload_type=96,
        srtp_key=KEY_TEXT,
        srtcp_key=KEY_TEXT,
        epoch=epoch,
        track=msgspec.structs.replace(VIDEO, codec=codec),
    )


def a_relay(now: float = 0.0) -> ChildRelay:
    return ChildRelay(VIDEO, source=SourceId(1), worker=0, now=now, backoff=Backoff(rng=random.Random(1)))


class Parent:
    """A node that has the track. Keeps the books of its relays as `rillcast.relay.parent.ParentRelays` does: one per
    child."""

    def __init__(self, broker: FakeBroker, name: NodeId) -> None:
        self.bus, self.name = FakeBus(broker), name
        self.opened: list[RelayId] = []
        self.closed: list[RelayId] = []
        self.held: RelayId | None = None
        self.refusal: RillcastError | None = None
        self.codec = "VP8"
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> Parent:
        await self.bus.serve(subjects.media_relay_open(self.name), RelayOpen, self._open)
        await self.bus.serve(subjects.media_relay_close(self.name), RelayClose, self._close)
        return self

    async def _open(self, request: RelayOpen) -> RelayGrant:
        self.opened.append(request.relay)
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        self.held = request.relay
        return granted(request.epoch, self.codec)

    async def _close(self, request: RelayClose) -> Ack:
        self.closed.append(request.relay)
        if self.held == request.relay:
            self.held = None
        return Ack()


class World:
    def __init__(self) -> None:
        self.broker, self.clock, self.plane = FakeBroker(), FakeClock(), FakePlane()
        self.bus, self.tasks = FakeBus(self.broker), BackgroundTasks()
        self.outcomes: list[str] = []
        self.relays = ChildRelays(
            node=CHILD,
            bus=self.bus,
            plane=self.plane,
            addresses=MediaAddresses("", self.plane.workers, (), "192.0.2.2"),
            tasks=self.tasks,
            clock=self.clock,
            on_outcome=self.outcomes.append,
        )
        self.relay = a_relay(self.clock())
        self.a, self.b = Parent(self.broker, A), Parent(self.broker, B)

    async def open(self, node: NodeId, epoch: int = 1) -> None:
        await self.relays.open(self.relay, live(node), supply(node, epoch))
        await self.tasks.settle()

    async def close(self) -> None:
        self.relays.close(self.relay)
        await self.tasks.settle()


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.a.start()
    await world.b.start()
    yield world
    for bus in (world.bus, world.a.bus, world.b.bus):
        await bus.close()


# ------------------------------------------------------------------ the table


PATHS: dict[ChildState, tuple[ChildEvent, ...]] = {
    ChildState.WAITING: (),
    ChildState.OPENING: (ChildEvent.ASKED,),
    ChildState.OPEN: (ChildEvent.ASKED, ChildEvent.GRANTED),
    ChildState.CLOSED: (ChildEvent.CLOSED,),
}


def happen(relay: ChildRelay, event: ChildEvent) -> None:
    match event:
        case ChildEvent.ASKED:
            relay.ask(A, RelayId("r"))
        case ChildEvent.GRANTED:
            relay.granted(granted())
        case ChildEvent.REFUSED:
            relay.refused(0.0, sure=True)
        case ChildEvent.LOST:
            relay.lost(0.0)
        case ChildEvent.MOVED:
            relay.moved(0.0)
        case ChildEvent.CLOSED:
            relay.close()


@pytest.mark.parametrize("event", ChildEvent)
@pytest.mark.parametrize("state", ChildState)
def test_every_event_in_every_state_does_what_the_table_says(state: ChildState, event: ChildEvent) -> None:
    relay = a_relay()
    for before in PATHS[state]:
        happen(relay, before)
    assert relay.state is state

    if (state, event) not in TRANSITIONS:
        with pytest.raises(KeyError):
            happen(relay, event)
        assert relay.state is state
    else:
        happen(relay, event)
        assert relay.state is TRANSITIONS[state, event]


def test_what_the_table_refuses() -> None:
    refused = {(s, e) for s in ChildState for e in ChildEvent} - set(TRANSITIONS)
    assert {(state.name, event.name) for state, event in refused} == {
        ("WAITING", "GRANTED"),
        ("WAITING", "REFUSED"),
        ("OPENING", "ASKED"),
        ("OPEN", "ASKED"),
        ("OPEN", "GRANTED"),
        ("OPEN", "REFUSED"),
        ("CLOSED", "ASKED"),
        ("CLOSED", "CLOSED"),
    }


# ------------------------------------------------------------------ one relay


async def test_a_grant_becomes_the_planes_source(world: World) -> None:
    await world.open(A)

    (command,) = world.plane.of(AddRelaySource)
    assert (command.source, command.parent, command.ssrc) == (1, "192.0.2.7:51000", 7)
    assert (world.relay.state, world.relay.parent, world.relay.epoch) == (ChildState.OPEN, A, 1)
    assert world.outcomes == ["ok"]


async def test_a_closed_relay_ends_its_source_and_is_given_back_once(world: World) -> None:
    await world.open(A)

    await world.close()

    assert [command.source for command in world.plane.of(RemoveSource)] == [1]
    assert world.a.closed == world.a.opened


async def test_a_relay_that_moves_is_given_back_to_the_old_parent_once_the_new_one_feeds(world: World) -> None:
    await world.open(A)
    world.relay.moved(world.clock())
    assert world.a.closed == []

    await world.open(B, epoch=7)

    assert world.a.closed == world.a.opened
    assert (world.b.closed, world.relay.parent, world.relay.epoch) == ([], B, 7)
    await world.close()
    assert (len(world.a.closed), world.b.closed) == (1, world.b.opened)


async def test_a_parent_that_fell_silent_may_still_be_sending_and_is_told(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())
    await world.open(B)

    assert world.a.closed == world.a.opened


async def test_the_same_parent_asked_again_replaces_its_own_relay(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())
    await world.open(A)

    assert (len(world.a.opened), world.a.closed) == (2, [])
    await world.close()
    assert world.a.closed == world.a.opened[1:]


async def test_a_relay_closed_while_it_waits_for_another_parent_is_given_back(world: World) -> None:
    await world.open(A)
    world.relay.lost(world.clock())

    await world.close()

    assert world.a.closed == world.a.opened


async def test_a_grant_that_comes_after_the_close_is_given_back_and_feeds_nothing(world: World) -> None:
    world.a.gate.clear()
    opening = asyncio.create_task(world.open(A))
    while not world.a.opened:
        await asyncio.sleep(0)
    world.relays.close(world.relay)
    world.a.gate.set()
    await opening

    assert world.relay.state is ChildState.CLOSED
    assert world.plane.commands == []
    assert world.a.closed == world.a.opened


async def test_a_refusal_says_when_to_try_again_and_nothing_is_given_back(world: World) -> None:
    world.a.refusal = REFUSAL

    with pytest.raises(RillcastError, match="64 nodes"):
        await world.open(A)
    await world.tasks.settle()

    assert world.relay.state is ChildState.WAITING
    assert world.clock() + 0.05 <= world.relay.due <= world.clock() + 0.1
    assert (world.a.closed, world.outcomes) == ([], ["highResourceUsage"])


async def test_a_parent_whose_answer_makes_no_sense_may_hold_a_relay(world: World) -> None:
    world.a.refusal = SERVER_ERROR

    with pytest.raises(RillcastError):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened


async def test_a_grant_of_another_codec_is_given_back(world: World) -> None:
    world.a.codec = "AV1"

    with pytest.raises(RillcastError, match="it is AV1, not VP8"):
        await world.open(A)
    await world.tasks.settle()

    assert world.plane.commands == []
    assert world.a.closed == world.a.opened
    assert world.relay.state is ChildState.WAITING


async def test_a_plane_that_refuses_the_source_leaves_no_relay(world: World) -> None:
    world.plane.closed = True

    with pytest.raises(RillcastError, match="the plane is closed"):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened


class BusyPlane(FakePlane):
    def execute(self, command: Command) -> None:
        raise PlaneBusy("the worker is behind")


async def test_a_busy_plane_leaves_no_relay_and_the_relay_is_tried_again(world: World) -> None:
    world.relays._plane = BusyPlane()

    with pytest.raises(PlaneBusy):
        await world.open(A)
    await world.tasks.settle()

    assert world.a.closed == world.a.opened
    assert world.relay.state is ChildState.WAITING


async def test_who_is_cancelled_while_asking_leaves_no_relay(world: World) -> None:
    world.a.gate.clear()
    opening = asyncio.create_task(world.open(A))
    while not world.a.opened:
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait((opening,))
    await world.tasks.settle()

    assert world.relay.state is ChildState.WAITING
    assert world.a.closed == world.a.opened


async def test_nobody_there_is_a_refusal_and_the_close_that_fails_is_counted(world: World) -> None:
    gone = NodeId("origin-9")

    with pytest.raises(RillcastError) as refusal:
        await world.open(gone)
    await world.tasks.settle()

    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE
    assert world.outcomes == ["no_node_available", "close_no_node_available"]


async def test_waits_grow_with_failures_and_begin_anew_once_media_flows(world: World) -> None:
    world.a.refusal = REFUSAL
    waits = []
    for _ in range(6):
        with pytest.raises(RillcastError):
            await world.open(A)
        waits.append(world.relay.due - world.clock())
    world.relay.flows()
    with pytest.raises(RillcastError):
        await world.open(A)

    assert waits[0] <= 0.1 < waits[3] <= 0.8 < waits[5] <= 2.0
    assert world.relay.due - world.clock() <= 0.1


async def test_a_move_shortens_a_long_wait(world: World) -> None:
    world.a.refusal = REFUSAL
    for _ in range(6):
        with pytest.raises(RillcastError):
            await world.open(A)

    world.relay.moved(world.clock())

    assert world.relay.due <= world.clock() + 0.1


# ------------------------------------------------------------------ any order


STEPS = st.sampled_from(
    ["ask a", "ask b", "answer a", "answer b", "hold a", "hold b", "refuse a", "agree a", "lost", "moved", "flows"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_whatever_happens_no_parent_holds_anything_after_the_close(steps: list[str]) -> None:
    asyncio.run(_walk(steps))


async def _walk(steps: list[str]) -> None:
    world = World()
    parents = {"a": await world.a.start(), "b": await world.b.start()}
    asking: set[asyncio.Task[None]] = set()
    for step in steps:
        what, _, which = step.partition(" ")
        parent = parents.get(which)
        if what == "ask" and parent is not None and world.relay.state is ChildState.WAITING:
            task = asyncio.create_task(world.relays.open(world.relay, live(parent.name), supply(parent.name)))
            asking.add(task)
        elif what in ("answer", "hold") and parent is not None:
            parent.gate.set() if what == "answer" else parent.gate.clear()
        elif what in ("refuse", "agree") and parent is not None:
            parent.refusal = REFUSAL if what == "refuse" else None
        elif what == "lost":
            world.relay.lost(world.clock())
        elif what == "moved":
            world.relay.moved(world.clock())
        elif what == "flows":
            world.relay.flows()
        for _ in range(12):
            await asyncio.sleep(0)
    world.relays.close(world.relay)
    for parent in parents.values():
        parent.gate.set()
    await asyncio.gather(*asking, return_exceptions=True)
    await world.tasks.settle()

    for parent in parents.values():
        assert parent.held is None
        assert set(Counter(parent.closed).values()) <= {1}
        assert set(parent.closed) <= set(parent.opened)
    assert len(world.plane.of(RemoveSource)) == bool(world.plane.of(AddRelaySource))
    for bus in (world.bus, world.a.bus, world.b.bus):
        await bus.close()
