"""What an edge says of its place among those that feed each other."""

from __future__ import annotations

from edge_harness import VIDEO

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import ClaimId, NodeId, RelayId
from rillcast.contracts.messages import RelayGrant, TreePlace
from rillcast.media.protocol import SourceId
from rillcast.relay.child_relay import ChildRelay, HeldRelay
from services.edge.domain.feed import Feed
from services.edge.domain.tree_place import MOST_NAMED, tree_place

CLAIM = ClaimId("c1")


def a_feed(number: int, parent: str | None = None, level: int = 1, standbys: tuple[str, ...] = ()) -> Feed:
    """`parent`: None of one that is not open."""
    relay = ChildRelay(VIDEO, source=SourceId(number), worker=0, now=0.0, backoff=Backoff())
    if parent is not None:
        relay.ask(HeldRelay(NodeId(parent), RelayId(f"r{number}"), CLAIM, Epoch(1, CLAIM)))
        grant = RelayGrant(
            parent_address="192.0.2.1:5000",
            ssrc=1,
            payload_type=96,
            srtp_key="",
            srtcp_key="",
            claim=CLAIM,
            track=VIDEO,
            level=level,
            standbys=tuple(map(NodeId, standbys)),
        )
        relay.granted(grant)
    return Feed("live/s1", relay, 0.0)


def test_an_edge_that_gets_nothing_has_no_place() -> None:
    assert tree_place([], children=0) is None
    assert tree_place([a_feed(1)], children=0) is None


def test_all_tracks_together_are_told_those_of_most_tracks_first() -> None:
    feeds = [
        a_feed(1, "origin-1"),
        a_feed(2, "edge-4", level=2, standbys=("origin-1", "edge-5")),
        a_feed(3, "edge-4", level=3, standbys=("edge-5",)),
        a_feed(4),
    ]

    assert tree_place(feeds, children=7) == TreePlace(
        parents=(NodeId("edge-4"), NodeId("origin-1")),
        level=3,
        children=7,
        standbys=(NodeId("edge-5"), NodeId("origin-1")),
    )


def test_no_more_nodes_are_named_than_a_heartbeat_may_carry() -> None:
    feeds = [a_feed(number, f"edge-{number}", standbys=(f"edge-{number + 50}",)) for number in range(1, 40)]

    place = tree_place(feeds, children=0)

    assert place is not None
    assert len(place.parents) == len(place.standbys) == MOST_NAMED
