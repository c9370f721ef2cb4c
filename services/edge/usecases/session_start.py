"""From what was agreed on with a viewer to its session in the plane: the relays that it needs, and what it is sent
first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from rillcast.cluster.stream_watch import StreamWatch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, MediaKind
from rillcast.media import protocol
from rillcast.media.sdp import PlayNegotiation, PlayOffer
from rillcast.node.ice import ice_parameters
from rillcast.runtime.tasks.together import together
from services.edge.domain.feed import Feed, FeedSlot
from services.edge.domain.join_parts import First, FirstRenditions, Part, not_live
from services.edge.domain.rendition_selector import RenditionSelector
from services.edge.domain.stage import StageEvent
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.supply import Supplies
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.usecases.first_packet import FirstPackets
from services.edge.usecases.rung_wait import RungWait
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_associations import ViewerAssociations


class SessionStart:
    """Begins the sessions of one edge."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        session_end: SessionEnd,
        first_packets: FirstPackets,
        associations: ViewerAssociations,
        *,
        watch: StreamWatch,
        supplies: Supplies,
        begun: Callable[[Viewer], None],
        first_budget_bps: int,
    ) -> None:
        """`begun` hears of viewers that the plane has. `first_budget_bps`: see `FirstRenditions`."""
        self._viewers = viewers
        self._relays = relays
        self._watch = watch
        self.rungs = RungWait(watch)
        self._session_end = session_end
        self._first_packets = first_packets
        self._associations = associations
        self._begun = begun
        self._renditions = FirstRenditions(supplies, first_budget_bps)

    async def prepare(self, viewer: Viewer, parts: Sequence[Part], offer: PlayOffer) -> None:
        """Open the relays of what the client will probably take of our offer. Raises as `begin`."""
        probable = self._renditions.probable(offer, parts)
        await self._open(viewer, [(part.subscription.offer(), first) for part, first in probable])

    async def begin(self, viewer: Viewer, parts: Sequence[Part], negotiation: PlayNegotiation) -> None:
        """Open the relays of what was agreed on, then the plane's session. Raises the first refusal of a parent,
        NO_COMMON_CODEC, or why the session is over if it ended meanwhile."""
        parts = await self._settled(viewer, parts, negotiation)
        wanted: list[tuple[FeedSlot, First]] = []
        for part, firsts in self._renditions.agreed(parts, negotiation, _known_bps(viewer)):
            tracks = _add_tracks(viewer, part.subscription, negotiation)
            wanted += [(track.shown, firsts[track.group]) for track in tracks]
            for track in tracks:
                track.awaits_path = firsts[track.group].is_a_choice and viewer.takeover is None
        await self._open(viewer, wanted)
        for subscription in viewer.subscriptions:
            for track in subscription.tracks:
                track.muted = track.kind in subscription.wishes.muted
                track.selector.force(subscription.wishes.height)
        self._associations.begin(viewer, _session(viewer, negotiation))
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
        client, codecs = viewer.request.client, negotiation.codecs
        await together(self.rungs.settle(p.live, p.wanted, codecs(p.subscription.place), client) for p in taken)
        require_going_on(viewer)
        return [self._now(part) for part in taken if part.subscription in viewer.subscriptions]

    def _now(self, part: Part) -> Part:
        """The stream as it is now: it may have changed, or gone, while another one was waited for."""
        live = self._watch.get(part.wanted.app, part.wanted.stream)
        if live is None:
            raise not_live()
        return part._replace(live=live)

    async def _open(self, viewer: Viewer, wanted: Iterable[tuple[FeedSlot, First]]) -> None:
        """Feeds for all, at once. Raises the first refusal, or why the session is over if it ended meanwhile."""
        require_going_on(viewer)
        feeds: list[Feed] = []
        for slot, first in wanted:
            use = self._relays.use(first.live, first.supply)
            slot.put(use)
            feeds.append(use.feed)
        try:
            await self._relays.opened(feeds)
        except RillcastError:
            require_going_on(viewer)
            raise
        require_going_on(viewer)


def require_going_on(viewer: Viewer) -> None:
    """Raises why the session is over. Asked after everything that is waited for during a join."""
    if viewer.ended is EndReason.DRAINING:
        raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this edge is going away", 1.0)
    if viewer.ended is not None:
        raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session was closed during the join")


def _add_tracks(
    viewer: Viewer, subscription: Subscription, negotiation: PlayNegotiation
) -> tuple[SubscribedTrack, ...]:
    sent = {track.track: track for track in negotiation.send}
    return tuple(
        subscription.add_track(
            agreed.track,
            agreed.group,
            kind=MediaKind(sent[agreed.track].kind),
            codec=agreed.codec,
            selector=RenditionSelector(viewer.request.abr),
        )
        for agreed in negotiation.of(subscription.place)
    )


def _known_bps(viewer: Viewer) -> int:
    """What the viewer's link takes, as far as its former edge knew; 0 = unknown."""
    srtp = viewer.takeover.srtp if viewer.takeover is not None else None
    return srtp.estimate_bps if srtp is not None else 0


def _session(viewer: Viewer, negotiation: PlayNegotiation) -> protocol.AddSession:
    begins = [track for track in viewer.tracks if not track.muted and not track.awaits_path]
    sources = {track.index: track.shown.feed.source for track in begins if track.shown.feed}
    return protocol.AddSession(
        session=viewer.plane_session,
        worker=viewer.worker,
        ice=ice_parameters(viewer.local, negotiation.ice_remote),
        dtls=negotiation.dtls,
        extensions=negotiation.extensions,
        send=tuple(msgspec.structs.replace(track, source=sources.get(track.track)) for track in negotiation.send),
        measure_path=any(track.awaits_path for track in viewer.tracks),
    )
