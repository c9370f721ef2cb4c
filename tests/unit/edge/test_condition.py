"""What an edge says of itself in its heartbeat: by whom it is fed, and who suffers there."""

from __future__ import annotations

import msgspec
from edge_harness import VIDEO, request

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId, TrackId
from rillcast.contracts.messages import Condition, StreamTrouble
from rillcast.contracts.messages.nodes import MOST_LINKS, MOST_TROUBLES
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport
from rillcast.node.load import MediaLimits, MediaLoad
from rillcast.relay.child_relay import ChildRelay, ChildState
from services.edge.domain.condition import UNFED_S, condition
from services.edge.domain.feed import Feed
from services.edge.domain.viewer import Viewer, Viewers

LOCAL = LocalTransport(ufrag="u", pwd="p", fingerprint="", addresses=("192.0.2.2",), port=50_000)


class Edge:
    def __init__(self) -> None:
        self.feeds: list[Feed] = []
        self.viewers = Viewers(MediaLoad(1, MediaLimits()), lambda _worker: LOCAL)

    def feed(
        self, key: str, parent: str | None, *, users: int = 1, unfed_since: float = 0.0, track: str = "v0"
    ) -> Feed:
        """Open at `parent`, or waiting for one since `unfed_since` after it had one."""
        relay = ChildRelay(
            msgspec.structs.replace(VIDEO, track=TrackId(track)),
            source=SourceId(len(self.feeds) + 1),
            worker=0,
            now=0.0,
            backoff=Backoff(),
        )
        relay.ever_open = True
        if parent is not None:
            relay.state, relay.parent = ChildState.OPEN, NodeId(parent)
        relay.unfed_since = unfed_since
        feed = Feed(key, relay, 0.0)
        feed.users = users
        self.feeds.append(feed)
        return feed

    def viewer(self, trouble: Trouble | None, *keys: str) -> Viewer:
        viewer = self.viewers.add(request(), 0.0)
        for place, key in enumerate(keys or ("live/s1",)):
            self.viewers.subscribe(viewer, key, place)
        viewer.quality.trouble = trouble
        return viewer

    def condition(self, now: float = 10.0) -> Condition:
        return condition(self.feeds, self.viewers, now)


def told(stream: str, trouble: Trouble, viewers: int) -> StreamTrouble:
    return StreamTrouble(app=AppName("live"), stream=StreamId(stream), trouble=trouble, viewers=viewers)


def test_an_edge_on_which_nothing_happens_says_nothing() -> None:
    edge = Edge()
    edge.viewer(None)
    assert edge.condition() == Condition()


def test_parents_are_told_with_their_tracks_and_streams_the_busiest_first() -> None:
    edge = Edge()
    edge.feed("live/s3", "edge-9")
    for key, track in (("live/s1", "v0"), ("live/s1", "a0"), ("live/s2", "v0")):
        edge.feed(key, "origin-1", track=track)
    links = edge.condition().links
    assert [(link.parent, link.tracks, link.streams) for link in links] == [("origin-1", 3, 2), ("edge-9", 1, 1)]


def test_a_relay_without_a_parent_is_told_after_a_moment_and_its_stream_once() -> None:
    edge = Edge()
    edge.feed("live/s1", None, unfed_since=10.0)
    edge.feed("live/s1", None, unfed_since=10.0, track="a0")
    assert edge.condition(10.0 + UNFED_S / 2).troubles == ()
    assert edge.condition(10.0 + UNFED_S).troubles == (told("s1", Trouble.NOT_FED, 0),)


def test_nobody_is_told_of_a_relay_that_nobody_uses_or_that_never_was_open() -> None:
    edge = Edge()
    edge.feed("live/s1", None, users=0)
    edge.feed("live/s2", None).relay.ever_open = False
    assert edge.condition() == Condition()


def test_troubles_are_counted_by_stream_the_most_viewers_first_and_those_who_suffer_in_all() -> None:
    edge = Edge()
    for _ in range(3):
        edge.viewer(Trouble.PACKET_LOSS, "live/s2")
    edge.viewer(Trouble.LOWER_RENDITION, "live/s1")
    edge.viewer(Trouble.LINK_TOO_SLOW, "live/s1")
    edge.viewer(None, "live/s1")
    found = edge.condition()
    assert found.troubles[0] == told("s2", Trouble.PACKET_LOSS, 3)
    assert set(found.troubles[1:]) == {
        told("s1", Trouble.LOWER_RENDITION, 1),
        told("s1", Trouble.LINK_TOO_SLOW, 1),
    }
    assert found.suffering == 4, "a lower rendition can be watched"


def test_a_viewer_of_two_streams_suffers_once_and_in_both() -> None:
    edge = Edge()
    edge.viewer(Trouble.FAR_BEHIND, "live/s1", "live/s2")
    found = edge.condition()
    assert set(found.troubles) == {told("s1", Trouble.FAR_BEHIND, 1), told("s2", Trouble.FAR_BEHIND, 1)}
    assert found.suffering == 1


def test_however_much_is_wrong_the_heartbeat_stays_short_and_streams_come_first() -> None:
    edge = Edge()
    for number in range(3 * MOST_TROUBLES):
        edge.viewer(Trouble.PACKET_LOSS, f"live/v{number}")
    for number in range(3 * MOST_LINKS):
        edge.feed(f"live/l{number}", f"edge-{number}")
    edge.feed("live/unfed", None)
    found = edge.condition()
    assert (len(found.troubles), len(found.links)) == (MOST_TROUBLES, MOST_LINKS)
    assert found.troubles[0] == told("unfed", Trouble.NOT_FED, 0)
    assert found.suffering == 3 * MOST_TROUBLES
    for number in range(3 * MOST_TROUBLES):
        edge.feed(f"live/n{number:04}", None)
    assert len(edge.condition().troubles) == MOST_TROUBLES
