"""From what was agreed on with a viewer to its session in the plane: the relays that it needs, and what it is sent
first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.sdp import PlayNegotiation, PlayOffer
from rillcast.node.ice import ice_parameters
from rillcast.runtime.tasks.together import together
from services.edge.domain.feed import Feed, FeedSlot
from services.edge.domain.join_parts import FirstRenditions, Part, not_live
from services.edge.domain.rendition_selector import RenditionSelector
from services.edge.domain.stage import StageEvent
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Plane
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.rung_wait import RungWait
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays


class SessionStart:
    """Begins the sessions of one edge."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        session_end: SessionEnd,
        first_packets: FirstPackets,
        *,
        plane: Plane,
        watch: StreamWatch,
        begun: Callable[[Viewer], None],
        first_budget_bps: int,
    ) -> None:
        """`begun` hears of viewers that the plane has. `first_budget_bps`: see `FirstRenditions`."""
        self._plane = plane
        self._viewers = viewers
        self._relays = relays
        self.rungs = RungWait(watch)
        self._session_end = session_end
        self._first_packets = first_packets
        self._begun = begun
        self._renditions = FirstRenditions(first_budget_bps)

    async def prepare(self, viewer: Viewer, parts: Sequence[Part], offer: PlayOffer) -> None:
        """Open the relays of what the client will probably take of our offer. Raises as `begin`."""
        probable = self._renditions.probable(offer, parts)
        await self._open(viewer, [(part.live, part.subscription.offer(), supply) for part, supply in probable])

    async def begin(self, viewer: Viewer, parts: Sequence[Part], negotiation: PlayNegotiation) -> None:
        """Open the relays of what was agreed on, then the plane's session. Raises the first refusal of a parent,
        NO_COMMON_CODEC, or why the session is over if it ended meanwhile."""
        parts = await self._settled(viewer, parts, negotiation)
        wanted: list[tuple[LiveStream, FeedSlot, TrackSupply]] = []
        for part, supplies in self._renditions.agreed(parts, negotiation):
            tracks = _add_tracks(viewer, part.subscription, negotiation)
            wanted += [(part.live, track.shown, supplies[track.group]) for track in tracks]
        await self._open(viewer, wanted)
        for subscription in viewer.subscriptions:
            for track in subscription.tracks:
                track.muted = track.kind in subscription.wishes.muted
                track.selector.force(subscription.wishes.height)
        self._plane.execute(_session(viewer, negotiation))
        for subscription in viewer.subscriptions:
            subscription.give_offered_back()
        self._viewers.advance(viewer, StageEvent.BEGUN)
        self._first_packets.begun(viewer)
        self._begun(viewer)

    async def _settled(self, viewer: Viewer, parts: Sequence[Part], negotiation: PlayNegotiation) -> list[Part]:
        """The streams of which the client takes something, once they have it. Subscriptions to the others are over."""
        taken = [part for part in parts if negotiation.of(part.subscription.place)]
        if not taken:
            raise not_live()
        for part in parts:
            if not negotiation.of(part.subscription.place):
                self._session_end.end_subscription(viewer, part.subscription, EndReason.REFUSED)
        lives = await together(
            self.rungs.settle(p.live, p.wanted, negotiation.codecs(p.subscription.place)) for p in taken
        )
        _require_going_on(viewer)
        settled = [part._replace(live=live) for part, live in zip(taken, lives, strict=True)]
        return [part for part in settled if part.subscription in viewer.subscriptions]

    async def _open(self, viewer: Viewer, wanted: Iterable[tuple[LiveStream, FeedSlot, TrackSupply]]) -> None:
        """Feeds for all, at once. Raises the first refusal, or why the session is over if it ended meanwhile."""
        _require_going_on(viewer)
        feeds: list[Feed] = []
        for live, slot, supply in wanted:
            use = self._relays.use(live, supply)
            slot.put(use)
            feeds.append(use.feed)
        try:
            await self._relays.opened(feeds)
        except RillcastError:
            _require_going_on(viewer)
            raise
        _require_going_on(viewer)


def _require_going_on(viewer: Viewer) -> None:
    if viewer.ended is EndReason.DRAINING:
        raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this edge is going away", 1.0)
    if viewer.ended is not None:
        raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session was closed during the join")


def _add_tracks(
    viewer: Viewer, subscription: Subscription, negotiation: PlayNegotiation
) -> tuple[SubscribedTrack, ...]:
    sent = {track.track: track for track in negotiation.send}
    videos = sum(track.kind == MediaKind.VIDEO for track in negotiation.send)
    return tuple(
        subscription.add_track(
            agreed.track,
            agreed.group,
            kind=MediaKind(sent[agreed.track].kind),
            codec=agreed.codec,
            selector=RenditionSelector(viewer.request.abr, can_probe=bool(sent[agreed.track].rtx_ssrc) and videos == 1),
        )
        for agreed in negotiation.of(subscription.place)
    )


def _session(viewer: Viewer, negotiation: PlayNegotiation) -> protocol.AddSession:
    sources = {track.index: track.shown.feed.source for track in viewer.tracks if track.shown.feed and not track.muted}
    return protocol.AddSession(
        session=viewer.plane_session,
        worker=viewer.worker,
        ice=ice_parameters(viewer.local, negotiation.ice_remote),
        dtls=negotiation.dtls,
        extensions=negotiation.extensions,
        send=tuple(msgspec.structs.replace(track, source=sources.get(track.track)) for track in negotiation.send),
    )
