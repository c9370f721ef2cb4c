"""One viewer session at the edge, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum

import msgspec
from opentelemetry.context import Context
from opentelemetry.trace import Span

from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import CarriedStream, PlayRequest, SessionAnswer
from rillcast.media.protocol import ALL_LAYERS, SessionStats
from rillcast.media.sdp import LocalTransport, PlayOffer
from rillcast.node.load import MediaLoad
from services.edge import metrics
from services.edge.domain.rendition_selector import RenditionSelector
from services.edge.usecases.upstream_relays import Feed


class Stage(IntEnum):
    """How far a session has come."""

    OPENING = 0
    OFFERED = 1
    ANSWERED = 2
    CONNECTING = 3
    CONNECTED = 4
    MEDIA = 5
    ENDED = 6


class ViewerTrack:
    """One m-line of a viewer, and the feed it shows."""

    def __init__(
        self, index: int, group: str, *, kind: str, codec: str, feed: Feed, selector: RenditionSelector
    ) -> None:
        self.index = index
        """`SendTrack.track`"""
        self.group = group
        """`TrackRecord.mid`"""
        self.kind = kind
        self.codec = codec
        self.feed: Feed | None = feed
        self.next_feed: Feed | None = None
        """Where a switch is going that the plane has not completed yet."""
        self.spare: Feed | None = None
        """Kept flowing to be switched to without delay."""
        self.shown_layers = self.next_layers = ALL_LAYERS
        """Temporal layers of `feed` and `next_feed` to be sent, as in `LimitLayers`."""
        self.held = False
        """Nothing is sent until the switch is complete."""
        self.switching_since = 0.0
        self.muted = False
        self.selector = selector

    @property
    def layers(self) -> int:
        """Temporal layers of `track` to be sent."""
        return self.next_layers if self.next_feed is not None else self.shown_layers

    @property
    def track(self) -> TrackId | None:
        """The rendition shown, or the one about to be."""
        feed = self.next_feed or self.feed
        return feed.track.track if feed is not None else None


class Viewer:
    """Mutable; from the play request to the end of the session."""

    def __init__(
        self, key: str, request: PlayRequest, *, plane_session: int, worker: int, local: LocalTransport, now: float
    ) -> None:
        self.key = key
        self.request = request
        self.plane_session = plane_session
        self.worker = worker
        self.stage = Stage.OPENING
        self.since = now
        self.answer: SessionAnswer | None = None
        self.local = local
        self.offer: PlayOffer | None = None
        self.held: list[Feed] = []
        """Feeds in use that belong to no track yet."""
        self.tracks: list[ViewerTrack] = []
        self.trace: Context | None = None
        self.first_packet: Span | None = None
        self.measured_at = now
        self.stats: SessionStats | None = None
        self.starved = False
        """Not even the lowest rendition fits its link."""

    @property
    def session(self) -> SessionId:
        return self.request.session

    @property
    def signaling(self) -> NodeId:
        return self.request.signaling

    def overdue(self, now: float) -> bool:
        """Whether it took too long to connect."""
        return self.stage < Stage.CONNECTED and now - self.since >= self.request.start_timeout_ms / 1000

    def take_feeds(self) -> Iterator[Feed]:
        """Every use of a feed, each once, leaving none: for giving them back."""
        yield from self.held
        self.held = []
        for track in self.tracks:
            for feed in (track.feed, track.next_feed, track.spare):
                if feed is not None:
                    yield feed
            track.feed = track.next_feed = track.spare = None


class Viewers:
    """All viewers of one edge."""

    def __init__(self, load: MediaLoad, transport: Callable[[int], LocalTransport]) -> None:
        """`transport` makes the local side of a session on a worker."""
        self._load = load
        self._transport = transport
        self._by_session: dict[SessionId, Viewer] = {}
        self._by_plane: dict[int, Viewer] = {}
        self._by_stream: dict[str, dict[int, Viewer]] = {}
        self._last = 0
        self.connecting = 0
        """Sessions that are not CONNECTED yet."""

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(tuple(self._by_session.values()))

    def add(self, key: str, request: PlayRequest, now: float) -> Viewer:
        """A new viewer, on the least loaded worker."""
        self._last += 1
        worker = self._load.least_loaded()
        viewer = Viewer(key, request, plane_session=self._last, worker=worker, local=self._transport(worker), now=now)
        self._by_session[request.session] = viewer
        self._by_plane[viewer.plane_session] = viewer
        self._by_stream.setdefault(key, {})[viewer.plane_session] = viewer
        self._load.joined(viewer.worker)
        self.connecting += 1
        self._count()
        return viewer

    def advance(self, viewer: Viewer, stage: Stage) -> bool:
        """Move on to a stage; False when it is there or beyond already."""
        if viewer.stage >= stage:
            return False
        if viewer.stage < Stage.CONNECTED <= stage:
            self.connecting -= 1
        viewer.stage = stage
        return True

    def remove(self, viewer: Viewer) -> bool:
        """The session is over; False when it was already."""
        if not self.advance(viewer, Stage.ENDED):
            return False
        self.note_starved(viewer, False)
        del self._by_session[viewer.session]
        del self._by_plane[viewer.plane_session]
        same = self._by_stream[viewer.key]
        del same[viewer.plane_session]
        if not same:
            del self._by_stream[viewer.key]
        self._load.left(viewer.worker)
        self._count()
        return True

    def session(self, session: SessionId) -> Viewer | None:
        """By the cluster's id."""
        return self._by_session.get(session)

    def plane(self, plane_session: int) -> Viewer | None:
        """By the plane's id."""
        return self._by_plane.get(plane_session)

    def of(self, key: str) -> list[Viewer]:
        """The viewers of a stream."""
        return list(self._by_stream.get(key, {}).values())

    @property
    def streams(self) -> tuple[str, ...]:
        """Keys of streams with viewers."""
        return tuple(self._by_stream)

    def carried(self) -> tuple[CarriedStream, ...]:
        """The heartbeat's list: at most 500, most viewers first."""
        most = sorted(self._by_stream.values(), key=len, reverse=True)[:500]
        requests = [(next(iter(viewers.values())).request, len(viewers)) for viewers in most]
        return tuple(CarriedStream(app=r.app, stream=r.stream, viewers=count) for r, count in requests)

    def note_starved(self, viewer: Viewer, starved: bool) -> None:
        """Whether even the lowest rendition is too much for the viewer's link."""
        if viewer.starved != starved:
            viewer.starved = starved
            metrics.STARVED.inc(1 if starved else -1)

    def _count(self) -> None:
        metrics.VIEWERS.set(len(self._by_session))
        metrics.STREAMS.set(len(self._by_stream))


class StatsDelta(msgspec.Struct, frozen=True):
    """What a viewer's repair figures grew by."""

    nacks: int
    repaired: int
    dropped: int


def grown(before: SessionStats | None, after: SessionStats) -> StatsDelta:
    """The growth from one second's figures to the next."""
    if before is None:
        return StatsDelta(after.nacks, after.repaired, after.dropped)
    return StatsDelta(
        max(0, after.nacks - before.nacks),
        max(0, after.repaired - before.repaired),
        max(0, after.dropped - before.dropped),
    )
