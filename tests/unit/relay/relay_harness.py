"""The child side of relays on fakes, with two parents that keep books."""

from __future__ import annotations

import asyncio
import base64
import random

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts import subjects
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, ClaimId, NodeId, RelayId, SessionId, StreamId, TrackId
from rillcast.contracts.messages import Ack, RelayAnswer, RelayClose, RelayGrant, RelayOpen, RelayReferral
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.relay.child import ChildRelays
from rillcast.relay.child_relay import ChildRelay
from rillcast.testing.bus import FakeBroker, FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
CHILD, A, B = NodeId("edge-1"), NodeId("origin-1"), NodeId("origin-2")
KEY_TEXT = base64.b64encode(bytes(28)).decode()
REFUSAL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "64 nodes are fed")


def supply(node: NodeId, epoch: int = 1) -> TrackSupply:
    return TrackSupply(VIDEO, node, ClaimId(f"c{epoch}"))


def live(node: NodeId = A, epoch: int = 1) -> LiveStream:
    record = StreamRecord(
        app=AppName("live"), stream=StreamId("s1"), owner=node, publisher_session=SessionId("p"), tracks=(VIDEO,)
    )
    return LiveStream("live/s1", record, Epoch(epoch, ClaimId(f"c{epoch}")), (), (supply(node, epoch),))


def granted(claim: str = "c1", codec: str = "VP8", track: str = "v0") -> RelayGrant:
    return RelayGrant(
        parent_address="192.0.2.7:51000",
        ssrc=7,
        payload_type=96,
        srtp_key=KEY_TEXT,
        srtcp_key=KEY_TEXT,
        claim=ClaimId(claim),
        track=msgspec.structs.replace(VIDEO, codec=codec, track=TrackId(track)),
    )


def a_relay(now: float = 0.0) -> ChildRelay:
    return ChildRelay(VIDEO, source=SourceId(1), worker=0, now=now, backoff=Backoff(rng=random.Random(1)))


class Parent:
    """A node that has the track. Keeps the books of its relays as `rillcast.relay.books.ParentRelays` does: one per
    child."""

    def __init__(self, broker: FakeBroker, name: NodeId) -> None:
        self.bus, self.name = FakeBus(broker), name
        self.opened: list[RelayId] = []
        self.closed: list[RelayId] = []
        self.held: RelayId | None = None
        self.refusal: RillcastError | None = None
        self.referral: tuple[NodeId, ...] = ()
        """Whom to ask instead, for the next one who asks."""
        self.asked: list[RelayOpen] = []
        self.level = 1
        self.standbys: tuple[NodeId, ...] = ()
        self.codec, self.track, self.claim = "VP8", "v0", ""
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> Parent:
        await self.bus.serve(subjects.media_relay_open(self.name), RelayOpen, self._open)
        await self.bus.serve(subjects.media_relay_close(self.name), RelayClose, self._close)
        return self

    async def _open(self, request: RelayOpen) -> RelayAnswer:
        self.asked.append(request)
        self.opened.append(request.relay)
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        referral, self.referral = self.referral, ()
        if referral:
            return RelayAnswer(referral=RelayReferral(nodes=referral))
        self.held = request.relay
        grant = granted(self.claim or request.claim, self.codec, self.track)
        return RelayAnswer(grant=msgspec.structs.replace(grant, level=self.level, standbys=self.standbys))

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
            keys=PlainRelayKeys(),
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
        await self.relays.open(self.relay, live(node, epoch), supply(node, epoch))
        await self.tasks.settle()

    async def close(self) -> None:
        self.relays.close(self.relay)
        await self.tasks.settle()
