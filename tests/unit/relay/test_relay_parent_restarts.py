"""A child that started anew has nothing from its parent any more, and is taken or referred as a stranger."""

from __future__ import annotations

import pytest

from rillcast.cluster.placement import Place
from rillcast.contracts.ids import AppName, ClaimId, NodeId, RelayId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport, RelayAnswer, RelayOpen
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.media import protocol
from rillcast.media.protocol import SourceId
from rillcast.node.addresses import MediaAddresses
from rillcast.relay.parent import RelayOffer, RelayParent
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys

VIDEO = TrackRecord(track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
KEY = stream_key(AppName("live"), StreamId("s1"))


class Origin:
    """It feeds two edges, and lies in another zone than they do."""

    def __init__(self) -> None:
        self.plane = FakePlane()
        self.known: dict[NodeId, NodeReport] = {}
        offer = RelayOffer(key=KEY, track=VIDEO, worker=0, claim=ClaimId("c1"), source=lambda: SourceId(1))
        self.parent = RelayParent(
            plane=self.plane,
            addresses=MediaAddresses("", self.plane.workers, (), "192.0.2.1"),
            offer_of=lambda _: offer,
            child_limit=2,
            keys=PlainRelayKeys(),
            here=Place("eu", "a"),
            known=self.known.get,
        )
        self._relays = 0

    def hears(self, name: str, incarnation: str = "1") -> None:
        info = NodeInfo(
            node=NodeId(name),
            kind=NodeKind.EDGE,
            version="1",
            region="eu",
            zone="b",
            admin_address="127.0.0.1:1",
            incarnation=incarnation,
        )
        self.known[info.node] = NodeReport(info=info, load=NodeLoad(), ready=True)

    async def is_asked_by(self, name: str, *unreachable: str) -> RelayAnswer:
        self._relays += 1
        request = RelayOpen(
            app=AppName("live"),
            stream=StreamId("s1"),
            track=VIDEO.track,
            claim=ClaimId("c1"),
            child=NodeId(name),
            relay=RelayId(f"r{self._relays}"),
            child_address="192.0.2.9:51000",
            most_level=3,
            unreachable=tuple(map(NodeId, unreachable)),
        )
        return await self.parent.open(request)


@pytest.fixture
async def origin() -> Origin:
    """It feeds e1, which was the head of its zone until e2 could not reach it."""
    origin = Origin()
    for name in ("e1", "e2"):
        origin.hears(name)
    assert (await origin.is_asked_by("e1")).grant is not None
    assert (await origin.is_asked_by("e2", "e1")).grant is not None
    return origin


async def test_a_head_that_died_and_comes_back_is_sent_to_the_new_head_of_its_zone(origin: Origin) -> None:
    origin.hears("e1", incarnation="2")

    answer = await origin.is_asked_by("e1")

    assert answer.referral is not None
    assert answer.referral.nodes == ("e2",)
    assert [relay.child for relay in origin.parent.relays(KEY)] == ["e2"]
    assert len(origin.plane.of(protocol.RemoveRelay)) == 1


async def test_a_head_that_asks_again_keeps_its_place(origin: Origin) -> None:
    assert (await origin.is_asked_by("e1")).grant is not None


async def test_nobody_is_sent_to_a_child_that_started_anew_and_has_not_asked_yet(origin: Origin) -> None:
    origin.hears("e2", incarnation="2")
    origin.hears("e3")

    answer = await origin.is_asked_by("e3")

    assert answer.referral is not None
    assert answer.referral.nodes == ("e1",)


async def test_the_place_of_a_former_process_is_free(origin: Origin) -> None:
    """A full parent would have nobody to send this one to."""
    for name in ("e1", "e2"):
        origin.hears(name, incarnation="2")
    origin.hears("e3")

    assert (await origin.is_asked_by("e3")).grant is not None
