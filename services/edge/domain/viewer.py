"""The viewer sessions of one edge, and the table of all of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, split_stream_key
from rillcast.contracts.messages import CarriedStream, PlayRequest, SessionAnswer
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import AddSession, PlaneSession, SessionStats
from rillcast.media.sdp import LocalTransport, PlayOffer
from rillcast.node.association_taker import Takeover
from rillcast.node.load import MediaLoad
from services.edge.domain.stage import TRANSITIONS, Stage, StageEvent
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.viewer_quality import ViewerQuality

MOST_CARRIED = 500
"""The most streams that a heartbeat names."""
MOST_DEADLINES = 128
"""Viewers whose time to connect is over, in one tick: at 20 ticks a second more than a node takes in, and to end as
many holds the event loop for 3 ms."""


class Viewer:
    """One session, from the play request to its end. It may hold any number of subscriptions."""

    def __init__(
        self, request: PlayRequest, *, plane_session: PlaneSession, worker: int, local: LocalTransport, now: float
    ) -> None:
        self.request = request
        self.plane_session = plane_session
        self.worker = worker
        self.local = local
        self.since = now
        self.stage = Stage.OPENING
        self.ended: EndReason | None = None
        """Why the session is over; None while it lives."""
        self.subscriptions: list[Subscription] = []
        self.offer: PlayOffer | None = None
        self.answer: SessionAnswer | None = None
        self.measured_at = now
        """The time at which its bit rates were told the last time."""
        self.stats: SessionStats | None = None
        """The newest figures of its link; None before there are any."""
        self.leaving = False
        """Whether its signaling instance was told that it is to go, so that it has heard the last of this session."""
        self.takeover: Takeover | None = None
        """How far it is with the association of its former edge, if that one would give it."""
        self.anew: AddSession | None = None
        """What the plane would have been told without that association."""
        self.starved = False
        """Not even the lowest rendition fits its link."""
        self.quality = ViewerQuality(now)
        """How well it goes."""

    @property
    def session(self) -> SessionId:
        return self.request.session

    @property
    def signaling(self) -> NodeId:
        return self.request.signaling

    @property
    def sdp_offered(self) -> str:
        """Our offer, once the client is connected by it; else empty. One whose DTLS handshake still runs would go on
        with it at the next edge, which has another certificate."""
        if self.offer is None or self.answer is None or not Stage.CONNECTED <= self.stage < Stage.ENDED:
            return ""
        if self.takeover is not None and self.takeover.kept:
            return self.answer.sdp
        return self.answer.sdp_then or self.answer.sdp

    @property
    def has_two_offers(self) -> bool:
        """Whether the client has moved here, or is about to, by two offers (`SessionAnswer.sdp_then`)."""
        return self.answer is not None and bool(self.answer.sdp_then)

    @property
    def tracks(self) -> Iterator[SubscribedTrack]:
        """The tracks of all its subscriptions."""
        return (track for subscription in self.subscriptions for track in subscription.tracks)

    @property
    def deadline(self) -> float:
        """The time by which it must be connected."""
        return self.since + self.request.start_timeout_ms / 1000


class Viewers:
    """All viewers of one edge."""

    def __init__(self, load: MediaLoad, transport: Callable[[int], LocalTransport]) -> None:
        """`transport` makes the local side of a session on a worker."""
        self._load = load
        self._transport = transport
        self._by_session: dict[SessionId, Viewer] = {}
        self._by_plane: dict[PlaneSession, Viewer] = {}
        self._by_stream: dict[str, dict[Subscription, Viewer]] = {}
        self._deadlines: list[tuple[float, PlaneSession]] = []
        """A heap of (when, plane's session). Entries of viewers who are connected or gone drop out when due."""
        self._last = 0
        self.connecting = 0
        """The number of sessions that are not CONNECTED yet."""
        self._connecting_of: dict[str, int] = {}
        """The same by client, of those that have a share."""
        self._connecting_to: dict[str, int] = {}
        """How many of a stream's subscriptions belong to sessions that are not CONNECTED yet."""
        self.starved = 0
        """The number of viewers whose link does not carry the lowest rendition."""

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(tuple(self._by_session.values()))

    def living(self) -> Iterable[Viewer]:
        """All of them, for whoever looks and changes nothing meanwhile."""
        return self._by_session.values()

    def add(self, request: PlayRequest, now: float) -> Viewer:
        """Add a viewer, on the least loaded worker. `now`: monotonic seconds."""
        self._last += 1
        worker = self._load.least_loaded()
        viewer = Viewer(
            request, plane_session=PlaneSession(self._last), worker=worker, local=self._transport(worker), now=now
        )
        self._by_session[request.session] = viewer
        self._by_plane[viewer.plane_session] = viewer
        heapq.heappush(self._deadlines, (viewer.deadline, viewer.plane_session))
        self._load.joined(viewer.worker, request.client)
        self._count_connecting(viewer, 1)
        return viewer

    def connecting_of(self, client: str) -> int:
        """How many of a client's sessions are not CONNECTED yet. `client`: see `PlayRequest`."""
        return self._connecting_of.get(client, 0)

    def _count_connecting(self, viewer: Viewer, change: int) -> None:
        self.connecting += change
        if client := viewer.request.client:
            count = self._connecting_of.pop(client, 0) + change
            if count:
                self._connecting_of[client] = count

    def _count_connecting_to(self, key: str, change: int) -> None:
        count = self._connecting_to.pop(key, 0) + change
        if count:
            self._connecting_to[key] = count

    def subscribe(self, viewer: Viewer, key: str, place: int = 0) -> Subscription:
        """The viewer wants this stream. `place`: where it stands in `PlayRequest.subscriptions`."""
        subscription = Subscription(key, place)
        viewer.subscriptions.append(subscription)
        self._by_stream.setdefault(key, {})[subscription] = viewer
        if viewer.stage < Stage.CONNECTED:
            self._count_connecting_to(key, 1)
        return subscription

    def unsubscribe(self, viewer: Viewer, subscription: Subscription) -> None:
        """The viewer gets this stream no longer."""
        viewer.subscriptions.remove(subscription)
        if viewer.stage < Stage.CONNECTED:
            self._count_connecting_to(subscription.key, -1)
        subscription.close()
        same = self._by_stream[subscription.key]
        del same[subscription]
        if not same:
            del self._by_stream[subscription.key]
        if viewer.starved:
            self.note_starved(viewer, any(track.selector.starved for track in viewer.tracks))

    def advance(self, viewer: Viewer, event: StageEvent) -> bool:
        """Take in what happened; False when it is no news. Raises KeyError for what can't happen now."""
        before, viewer.stage = viewer.stage, TRANSITIONS[viewer.stage, event]
        if before < Stage.CONNECTED <= viewer.stage:
            self._count_connecting(viewer, -1)
            for subscription in viewer.subscriptions:
                self._count_connecting_to(subscription.key, -1)
        return viewer.stage is not before

    def remove(self, viewer: Viewer, reason: EndReason) -> bool:
        """The session is over; False when it was already."""
        if not self.advance(viewer, StageEvent.ENDED):
            return False
        viewer.ended = reason
        self.note_starved(viewer, False)
        for subscription in tuple(viewer.subscriptions):
            self.unsubscribe(viewer, subscription)
        del self._by_session[viewer.session]
        del self._by_plane[viewer.plane_session]
        self._load.left(viewer.worker, viewer.request.client)
        return True

    def session(self, session: SessionId) -> Viewer | None:
        """The viewer with this id of the cluster."""
        return self._by_session.get(session)

    def plane(self, plane_session: PlaneSession) -> Viewer | None:
        """The viewer with this id of the plane."""
        return self._by_plane.get(plane_session)

    @property
    def newest(self) -> PlaneSession:
        """Later viewers get larger numbers."""
        return PlaneSession(self._last)

    def first_of(self, key: str, most: int, newest: PlaneSession) -> list[tuple[Viewer, Subscription]]:
        """Some of those who receive a stream, by which subscription, the oldest first; nobody who came after `newest`.
        Costs little however many there are."""
        some = islice(self._by_stream.get(key, {}).items(), most)
        return [(viewer, subscription) for subscription, viewer in some if viewer.plane_session <= newest]

    def of(self, key: str) -> list[tuple[Viewer, Subscription]]:
        """Who receives a stream, and by which subscription."""
        return [(viewer, subscription) for subscription, viewer in self._by_stream.get(key, {}).items()]

    def plane_sessions(self, key: str) -> list[PlaneSession]:
        """The same viewers, by the plane's ids of their sessions."""
        return [viewer.plane_session for viewer in self._by_stream.get(key, {}).values()]

    def watched(self, key: str) -> bool:
        """Whether anybody receives a stream."""
        return key in self._by_stream

    def overdue(self, now: float) -> Iterator[Viewer]:
        """Viewers who took too long to connect, each once. If many joined in the same moment, only some of them are
        looked at in one call, and the others in the next ones."""
        for _ in range(MOST_DEADLINES):
            if not self._deadlines or self._deadlines[0][0] > now:
                return
            viewer = self._by_plane.get(heapq.heappop(self._deadlines)[1])
            if viewer is not None and viewer.stage < Stage.CONNECTED:
                yield viewer

    @property
    def streams(self) -> tuple[str, ...]:
        """The keys of the streams that have viewers."""
        return tuple(self._by_stream)

    def carried(self) -> tuple[CarriedStream, ...]:
        """The heartbeat's list: at most `MOST_CARRIED`, most viewers first. Who has not connected is no viewer yet."""
        connecting = self._connecting_to
        counts = (
            (len(viewers) - connecting.get(key, 0), split_stream_key(key)) for key, viewers in self._by_stream.items()
        )
        most = heapq.nlargest(MOST_CARRIED, counts)
        return tuple(CarriedStream(app=app, stream=stream, viewers=count) for count, (app, stream) in most)

    def note_starved(self, viewer: Viewer, starved: bool) -> None:
        """Whether even the lowest rendition is too much for the viewer's link."""
        if viewer.starved != starved:
            viewer.starved = starved
            self.starved += 1 if starved else -1


class StatsDelta(msgspec.Struct, frozen=True):
    """What the repair figures of a viewer grew by, in packets."""

    nacks: int
    repaired: int
    dropped: int

    @property
    def any(self) -> bool:
        """Whether there was any."""
        return bool(self.nacks or self.repaired or self.dropped)


def grown(before: SessionStats | None, after: SessionStats) -> StatsDelta:
    """The growth from one second's figures to the next."""
    if before is None:
        return StatsDelta(after.nacks, after.repaired, after.dropped)
    return StatsDelta(
        max(0, after.nacks - before.nacks),
        max(0, after.repaired - before.repaired),
        max(0, after.dropped - before.dropped),
    )
