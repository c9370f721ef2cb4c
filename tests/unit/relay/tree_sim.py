"""A cluster of edges that feed each other one track, with the real parts of an edge on planes that only keep books.
Requests and answers arrive when and in which order the test says, or never."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
from relay_harness import VIDEO, live

from rillcast.cluster.placement.nearness import Place
from rillcast.cluster.relay_tree import MAX_LEVEL
from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport, RelayClose, RelayLeaving, RelayOpen
from rillcast.contracts.words import NodeKind
from rillcast.media import protocol
from rillcast.media.protocol import PlaneRelay, SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.node.load import MediaLimits, MediaLoad
from rillcast.relay.books import ParentRelay
from rillcast.relay.child import ChildRelays
from rillcast.relay.child_relay import ChildState
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys
from services.edge.domain.feed import Feed, FeedUse
from services.edge.usecases.downstream_relays import DownstreamRelays
from services.edge.usecases.upstream_relays import UpstreamRelays

LIMIT = 2
KEY = live().key
TURNS = 8
"""Of the event loop, until everything that can go on has gone on."""


class Letter:
    """A request on its way, or its answer on the way back."""

    def __init__(self, to: NodeId, message: msgspec.Struct, reply: asyncio.Future[Any] | None) -> None:
        self.to, self.message, self.reply = to, message, reply
        self.answer: Any = None
        self.answered = False


class Mailbox:
    """The bus and the outbox of one node."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim

    async def request(self, subject: str, message: msgspec.Struct, _kind: type, timeout_s: float = 2.0) -> Any:
        letter = Letter(_node_in(subject), message, asyncio.get_running_loop().create_future())
        self._sim.mail.append(letter)
        assert letter.reply is not None
        return await letter.reply

    def put(self, subject: str, event: msgspec.Struct) -> None:
        self._sim.mail.append(Letter(_node_in(subject), event, None))


def _node_in(subject: str) -> NodeId:
    return NodeId(subject.rsplit(".", 1)[1])


class Owner:
    """A node that has the track itself, under the claim that the record names, while it lives."""

    def __init__(self, sim: Sim, name: str) -> None:
        self.name, self.sim = NodeId(name), sim
        self.alive = self.awake = True
        self.plane = FakePlane()
        self.parent = RelayParent(
            keys=PlainRelayKeys(),
            plane=self.plane,
            addresses=MediaAddresses("", self.plane.workers, (), "192.0.2.1"),
            offer_of=self._offer,
            child_limit=LIMIT,
            known=sim.known,
            clock=sim.clock,
        )

    def _offer(self, _request: RelayOpen) -> RelayOffer:
        supply = self.sim.live.supplied[0]
        if supply.node != self.name:
            raise RillcastError(ErrorCode.NO_STREAM_EXIST, "not here")
        return RelayOffer(key=KEY, track=VIDEO, worker=0, claim=supply.claim, source=lambda: SourceId(1))


class Edge:
    """An edge, as far as relays go."""

    def __init__(self, sim: Sim, name: str, zone: str) -> None:
        self.name, self.sim, self.place = NodeId(name), sim, Place("r", zone)
        self.alive = self.awake = True
        self.plane, self.tasks = FakePlane(), BackgroundTasks()
        mailbox = Mailbox(sim)
        addresses = MediaAddresses("", self.plane.workers, (), "192.0.2.2")
        children = ChildRelays(
            node=self.name,
            bus=mailbox,  # type: ignore[arg-type]  # the one call that relays make
            plane=self.plane,
            addresses=addresses,
            keys=PlainRelayKeys(),
            tasks=self.tasks,
            clock=sim.clock,
            gives=True,
        )
        self.up = UpstreamRelays(
            children,
            load=MediaLoad(1, MediaLimits()),
            tasks=self.tasks,
            stream=lambda _key: sim.live,
            clock=sim.clock,
            linger_s=0.4,
            rng=sim.rng,
        )
        self.down = DownstreamRelays(
            self.up,
            node=self.name,
            new_parent=lambda **parts: RelayParent(
                plane=self.plane,
                addresses=addresses,
                keys=PlainRelayKeys(),
                here=self.place,
                known=sim.known,
                clock=sim.clock,
                child_limit=LIMIT,
                **parts,
            ),
            outbox=mailbox,  # type: ignore[arg-type]
            clock=sim.clock,
            room=lambda: None,
        )
        self.parent = self.down.parent
        self.viewer: FeedUse | None = None

    @property
    def feed(self) -> Feed | None:
        feeds = self.up.feeds_of(KEY)
        return feeds[0] if feeds else None

    @property
    def level(self) -> int:
        return self.feed.relay.level if self.feed is not None else 0

    def join(self) -> None:
        if self.viewer is None:
            self.viewer = self.up.use(self.sim.live, self.sim.live.supplied[0])

    def leave(self) -> None:
        viewer, self.viewer = self.viewer, None
        if viewer is not None:
            viewer.release()

    def tick(self) -> None:
        self.up.tick()
        self.down.tick()

    def hears_nothing(self) -> None:
        if self.feed is not None:
            self.up.on_event(protocol.RelayParentLost(source=self.feed.source))

    def hears(self) -> None:
        if self.feed is not None:
            self.up.on_event(protocol.SourceStarted(source=self.feed.source))


Node = Owner | Edge


class Sim:
    """The cluster, its mail and its time."""

    def __init__(self, edges: int = 6) -> None:
        self.clock, self.rng = FakeClock(), random.Random(7)
        self.mail: list[Letter] = []
        self.answers: list[Letter] = []
        self._handling: set[asyncio.Task[None]] = set()
        self.epoch = 1
        self.live: LiveStream = live(NodeId("origin-1"), 1)
        self.owners = [Owner(self, f"origin-{number}") for number in (1, 2)]
        self.edges = [Edge(self, f"edge-{number}", _zone(number)) for number in range(edges)]

    def known(self, node: NodeId) -> NodeReport | None:
        """What heartbeats say: also of the dead, for a while."""
        found = next((edge for edge in self.edges if edge.name == node), None)
        if found is None:
            return None
        info = NodeInfo(
            node=node,
            kind=NodeKind.EDGE,
            version="1",
            admin_address="",
            incarnation="1",
            region="r",
            zone=found.place.zone,
        )
        return NodeReport(info=info, load=NodeLoad(), ready=True)

    def nodes(self) -> list[Node]:
        return [*self.owners, *self.edges]

    def node(self, name: NodeId) -> Node | None:
        return next((node for node in self.nodes() if node.name == name and node.alive), None)

    # ---- what can happen

    async def deliver(self, number: int) -> None:
        """A letter reaches whom it is for, if it can be reached."""
        letter = self.mail.pop(number)
        node = self.node(letter.to)
        if node is None:
            self._fails(letter)
        elif not node.awake:
            self.mail.append(letter)
        elif isinstance(letter.message, RelayLeaving):
            if isinstance(node, Edge):
                await node.up.left_by("", letter.message)
        else:
            task = asyncio.create_task(self._handle(node, letter))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
        await self.turn()

    async def _handle(self, node: Node, letter: Letter) -> None:
        try:
            if isinstance(letter.message, RelayOpen):
                letter.answer = await node.parent.open(letter.message)
            elif isinstance(letter.message, RelayClose):
                letter.answer = await node.parent.close(letter.message)
        except RillcastError as refusal:
            letter.answer = refusal
        letter.answered = True
        self.answers.append(letter)

    async def answer(self, number: int) -> None:
        letter = self.answers.pop(number)
        if letter.reply is not None and not letter.reply.done():
            if isinstance(letter.answer, RillcastError):
                letter.reply.set_exception(letter.answer)
            else:
                letter.reply.set_result(letter.answer)
        await self.turn()

    async def lose(self, letters: list[Letter], number: int) -> None:
        self._fails(letters.pop(number))
        await self.turn()

    def _fails(self, letter: Letter) -> None:
        if letter.reply is not None and not letter.reply.done():
            letter.reply.set_exception(RillcastError(ErrorCode.NO_NODE_AVAILABLE, "no answer in time"))

    def kill(self, number: int) -> None:
        """The process is gone, and starts again without remembering anything."""
        dead = self.edges[number]
        dead.alive = False
        self.edges[number] = Edge(self, dead.name, dead.place.zone)
        for letter in [letter for letter in self.mail if letter.to == dead.name]:
            self.mail.remove(letter)
            self._fails(letter)

    def forget_child(self, edge: Edge) -> None:
        """A parent takes a child for gone, rightly or not."""
        for relay in edge.parent.relays(KEY)[:1]:
            edge.parent.on_event(protocol.RelayChildLost(relay=PlaneRelay(relay.plane_relay)))

    async def moves(self, owner: int) -> None:
        """Another claim has the stream."""
        self.epoch += 1
        self.live = live(self.owners[owner].name, self.epoch)
        for node in self.owners:
            if node.name != self.live.supplied[0].node:
                node.parent.end(KEY)
        for edge in self.edges:
            edge.up.on_stream_changed(KEY, self.live)
        await self.turn()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for edge in self.edges:
            edge.tick()
        await self.turn()

    async def turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    # ---- what is true of it

    def links(self) -> list[tuple[Node, Edge, ParentRelay]]:
        """Along which media flows: relays that both ends have."""
        found: list[tuple[Node, Edge, ParentRelay]] = []
        for parent in self.nodes():
            for relay in parent.parent.relays(KEY):
                child = next((edge for edge in self.edges if edge.name == relay.child), None)
                held = child.feed.relay.held if child is not None and child.feed is not None else None
                if child is not None and held is not None and (held.parent, held.relay) == (parent.name, relay.relay):
                    found.append((parent, child, relay))
        return found

    def check(self) -> None:
        """What holds at any time."""
        links = self.links()
        parent_of = {child.name: parent for parent, child, _ in links}
        for parent, child, _ in links:
            assert child.level <= MAX_LEVEL
            if isinstance(parent, Edge):
                assert parent.level < child.level, f"{parent.name} has {parent.level}, {child.name} {child.level}"
            seen = {child.name}
            above: Node | None = parent
            while isinstance(above, Edge):
                assert above.name not in seen, "a loop"
                seen.add(above.name)
                above = parent_of.get(above.name)
            assert len(seen) <= MAX_LEVEL
        for node in self.nodes():
            assert node.parent.children(KEY) <= LIMIT
            if isinstance(node, Edge) and node.feed is not None:
                assert node.feed.relay.children == len(node.parent.relays(KEY))

    def fed(self, edge: Edge) -> bool:
        """Whether media of the present owner reaches the edge."""
        parent_of = {child.name: parent for parent, child, _ in self.links()}
        at: Node | None = edge
        while isinstance(at, Edge):
            at = parent_of.get(at.name)
        return at is not None and at.name == self.live.supplied[0].node

    async def calm_down(self, rounds: int = 400, *, must: bool = True) -> None:
        """Nothing more goes wrong: what is on its way arrives, time passes, and planes hear what there is to hear."""
        for node in self.nodes():
            node.awake = True
        for _ in range(rounds):
            while self.mail or self.answers:
                if self.mail:
                    await self.deliver(0)
                if self.answers:
                    await self.answer(0)
            await self._look_at_planes()
            self.check()
            if not self.mail and all(edge.viewer is None or self.fed(edge) for edge in self.edges):
                return
            await self.pass_time(0.1)
        if not must:
            return
        starving = [edge.name for edge in self.edges if edge.viewer is not None and not self.fed(edge)]
        raise AssertionError(f"{starving} are fed by nobody")

    async def _look_at_planes(self) -> None:
        """What the planes notice by themselves: a parent that sends nothing, a child that says nothing."""
        links = self.links()
        with_media = {child.name for _, child, _ in links}
        relays = {(parent.name, relay.plane_relay) for parent, _, relay in links}
        for edge in self.edges:
            if edge.feed is not None and edge.feed.relay.state is ChildState.OPEN:
                edge.hears() if edge.name in with_media else edge.hears_nothing()
        for node in self.nodes():
            for relay in node.parent.relays(KEY):
                if (node.name, relay.plane_relay) not in relays:
                    node.parent.on_event(protocol.RelayChildLost(relay=PlaneRelay(relay.plane_relay)))
        await self.turn()

    async def everybody_leaves(self) -> None:
        for edge in self.edges:
            edge.leave()
        for _ in range(80):
            while self.mail or self.answers:
                if self.mail:
                    await self.deliver(0)
                if self.answers:
                    await self.answer(0)
            await self._look_at_planes()
            await self.pass_time(0.3)
        for edge in self.edges:
            assert (len(edge.up), len(edge.parent)) == (0, 0), f"{edge.name} has something left"
        for owner in self.owners:
            assert len(owner.parent) == 0


def _zone(number: int) -> str:
    return ("", "a", "b")[number % 3]
