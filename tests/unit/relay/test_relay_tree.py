"""A node that is child and parent at once, as an edge will be when it feeds other edges. Both ends of `rillcast.relay`
are wired to one plane, with nothing in between but an offer of what comes in."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from relay_harness import VIDEO, live, supply

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId, stream_key
from rillcast.contracts.messages import RelayClose, RelayOpen
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.relay.child import ChildRelays
from rillcast.relay.child_relay import ChildRelay, ChildState
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys

STREAM = live()


class Node:
    """A node of the tree. The root has the publisher's source, the others have what a relay brings them."""

    def __init__(self, broker: FakeBroker, clock: FakeClock, name: str) -> None:
        self.name, self.clock = NodeId(name), clock
        self.plane, self.bus, self.tasks = FakePlane(), FakeBus(broker), BackgroundTasks()
        addresses = MediaAddresses("", self.plane.workers, (), f"192.0.2.{name[-1]}")
        self.children = ChildRelays(
            keys=PlainRelayKeys(),
            node=self.name,
            bus=self.bus,
            plane=self.plane,
            addresses=addresses,
            tasks=self.tasks,
            clock=clock,
        )
        self.parent = RelayParent(
            keys=PlainRelayKeys(), plane=self.plane, addresses=addresses, offer_of=self._offer, child_limit=2
        )
        self.plane.on_event = self.parent.on_event
        self.published = 0
        """The epoch at the root; 0 elsewhere."""
        self.relay: ChildRelay | None = None
        """What this node receives; None at the root, and while nobody here wants it."""
        self.lost: set[int] = set()
        """Relays that the plane has ended by itself."""

    async def start(self) -> Node:
        await self.bus.serve(media_relay_open(self.name), RelayOpen, self.parent.open)
        await self.bus.serve(media_relay_close(self.name), RelayClose, self.parent.close)
        return self

    def _offer(self, request: RelayOpen) -> RelayOffer:
        if self.published:
            source, claim = SourceId(7), ClaimId(f"c{self.published}")
        elif self.relay is not None and self.relay.state is ChildState.OPEN:
            source, claim = self.relay.source, self.relay.claim
        else:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "nothing of the stream comes in here")
        key = stream_key(request.app, request.stream)
        return RelayOffer(key=key, track=VIDEO, worker=0, claim=claim, source=lambda: source)

    async def take(self, parent: Node, epoch: int) -> bool:
        """Have the track come in from another node of the tree; whether it does."""
        if self.relay is None:
            self.relay = ChildRelay(VIDEO, source=SourceId(1), worker=0, now=0.0, backoff=Backoff(rng=random.Random(1)))
        if self.relay.state is ChildState.OPEN:
            self.relay.moved(self.clock())
        if self.relay.state is not ChildState.WAITING:
            return False
        try:
            await self.children.open(self.relay, live(epoch=epoch), supply(parent.name, epoch))
        except RillcastError:
            return False
        return True

    def leave(self) -> None:
        """Nobody here wants it any more: first those who have it from here, then the source."""
        if self.relay is not None and self.relay.state is not ChildState.CLOSED:
            self.parent.end(STREAM.key)
            self.children.close(self.relay)
            self.relay = None

    def fed(self) -> list[tuple[str, int]]:
        return [(feed.parent, feed.ssrc) for feed in self.plane.of(protocol.AddRelaySource)]

    def living(self) -> set[PlaneRelay]:
        """Relays to children that the plane still has."""
        added = {command.relay for command in self.plane.of(protocol.AddRelay)}
        return added - {command.relay for command in self.plane.of(protocol.RemoveRelay)} - self.lost

    def sources(self) -> set[int]:
        """Sources that the plane still has."""
        living: set[int] = set()
        for command in self.plane.commands:
            if isinstance(command, protocol.AddRelaySource):
                living.add(command.source)
            elif isinstance(command, protocol.RemoveSource):
                living.remove(command.source)
        return living

    def lose_child(self) -> None:
        """A child has fallen silent."""
        for relay in sorted(self.living())[:1]:
            self.lost.add(relay)
            self.plane.emit(protocol.RelayChildLost(relay=PlaneRelay(relay)))


class Tree:
    """origin-1 feeds edge-2, which feeds edge-3 and edge-4."""

    def __init__(self) -> None:
        self.broker, self.clock = FakeBroker(), FakeClock()
        self.origin, self.edge, self.left, self.right = self.nodes = [
            Node(self.broker, self.clock, name) for name in ("origin-1", "edge-2", "edge-3", "edge-4")
        ]

    async def start(self) -> Tree:
        for node in self.nodes:
            await node.start()
        self.origin.published = 1
        return self

    async def settle(self) -> None:
        for node in self.nodes:
            await node.tasks.settle()

    async def stop(self) -> None:
        for node in self.nodes:
            await node.bus.close()

    def counts(self) -> list[int]:
        return [len(node.parent) for node in self.nodes]


async def test_an_edge_gives_on_what_it_is_fed() -> None:
    tree = await Tree().start()

    assert await tree.edge.take(tree.origin, 1)
    assert await tree.left.take(tree.edge, 1)

    (relay,) = tree.edge.plane.of(protocol.AddRelay)
    (source,) = tree.edge.plane.of(protocol.AddRelaySource)
    assert relay.source == source.source
    assert tree.left.fed() == [("192.0.2.2:51000", relay.ssrc)]
    assert tree.counts() == [1, 1, 0, 0]
    await tree.stop()


async def test_what_an_edge_gives_on_stays_when_its_own_parent_changes() -> None:
    tree = await Tree().start()
    await tree.edge.take(tree.origin, 1)
    await tree.left.take(tree.edge, 1)
    tree.origin.published = 5

    assert await tree.edge.take(tree.origin, 5)

    assert {feed.source for feed in tree.edge.plane.of(protocol.AddRelaySource)} == {1}
    assert (tree.edge.plane.of(protocol.RemoveRelay), tree.left.plane.of(protocol.RemoveSource)) == ([], [])
    await tree.stop()


async def test_an_edge_serves_a_new_epoch_once_it_is_fed_from_it() -> None:
    tree = await Tree().start()
    await tree.edge.take(tree.origin, 1)
    tree.origin.published = 5
    assert not await tree.left.take(tree.edge, 5)

    await tree.edge.take(tree.origin, 5)

    assert await tree.left.take(tree.edge, 5)
    await tree.stop()


async def test_an_edge_that_gets_nothing_serves_nobody() -> None:
    tree = await Tree().start()

    assert not await tree.left.take(tree.edge, 1)

    assert tree.counts() == [0, 0, 0, 0]
    await tree.stop()


async def test_an_edge_that_leaves_ends_its_relays_before_its_source() -> None:
    tree = await Tree().start()
    await tree.edge.take(tree.origin, 1)
    await tree.left.take(tree.edge, 1)
    await tree.right.take(tree.edge, 1)

    tree.edge.leave()
    await tree.settle()

    ends = [
        type(c).__name__
        for c in tree.edge.plane.commands
        if isinstance(c, protocol.RemoveRelay | protocol.RemoveSource)
    ]
    assert ends == ["RemoveRelay", "RemoveRelay", "RemoveSource"]
    assert tree.counts() == [0, 0, 0, 0]
    await tree.stop()


TAKES = ("edge takes", "left takes", "right takes", "left from origin")
LEAVES = ("edge leaves", "left leaves", "right leaves")
STEPS = st.lists(st.sampled_from((*TAKES, *TAKES, *LEAVES, "epoch", "child silent", "parent silent")), max_size=16)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_in_the_tree_nothing_is_left_once_all_have_left(steps: list[str]) -> None:
    asyncio.run(_live_through(steps))


async def _live_through(steps: list[str]) -> None:
    tree = await Tree().start()
    for step in steps:
        await _do(tree, step)
    for node in (tree.left, tree.right, tree.edge):
        node.leave()
    await tree.settle()

    assert tree.counts() == [0, 0, 0, 0]
    for node in tree.nodes:
        assert (node.living(), node.sources()) == (set(), set())
    await tree.stop()


async def _do(tree: Tree, step: str) -> None:
    epoch = tree.origin.published
    match step.split():
        case ["edge", "takes"]:
            await tree.edge.take(tree.origin, epoch)
        case ["left" | "right" as which, "takes"]:
            await getattr(tree, which).take(tree.edge, epoch)
        case ["left", "from", "origin"]:
            await tree.left.take(tree.origin, epoch)
        case [which, "leaves"]:
            getattr(tree, which).leave()
        case ["epoch"]:
            tree.origin.published += 1
        case ["child", "silent"]:
            tree.edge.lose_child()
        case ["parent", "silent"] if tree.left.relay is not None:
            tree.left.relay.lost(tree.clock())
        case _:
            pass
    await tree.settle()
