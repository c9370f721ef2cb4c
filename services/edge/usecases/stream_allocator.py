"""Decides what each track of a viewer is sent, and has the plane send it: rendition changes, mute, and what a changed
stream makes necessary.

A switch first opens the target's relay; then the plane switches at a keyframe and says so; only then the old relay has
one user less.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, TrackId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import ALL_LAYERS
from rillcast.node.background import BackgroundTasks
from services.edge import metrics
from services.edge.domain.bandwidth_probe import STOP, ProbeOrder
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.feed import Feed
from services.edge.domain.rendition_selector import Option
from services.edge.domain.stage import Stage
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.supply import GroupSupply, Supplies, SwitchCause, switch_cause, with_fewer_layers
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Clock
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays

SWITCH_TIMEOUT_S = 8.0
"""A target that brings no keyframe for so long is given up; publishers make one every few seconds, or when asked."""

HELD_TIMEOUT_S = 3.0
"""The same while nothing is sent meanwhile."""

FIRST_PACKET_S = 1.0
"""How long a new relay is waited for."""

TURN = 32
"""Switches in one turn of the event loop."""


class StreamAllocator:
    """For all viewers of one edge."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: CommandBacklog,
        relays: UpstreamRelays,
        session_end: SessionEnd,
        viewers: Viewers,
        tasks: BackgroundTasks,
        stream: Callable[[str], LiveStream | None],
        clock: Clock,
        relay_fill_s: float,
    ) -> None:
        """`stream`: what is live under a key. `relay_fill_s`: how old a relay must be before a viewer is switched to
        it."""
        self._node = node
        self._plane = plane
        self._relays = relays
        self._session_end = session_end
        self._viewers = viewers
        self._tasks = tasks
        self._stream = stream
        self._clock = clock
        self._relay_fill_s = relay_fill_s
        self._supplies = Supplies()
        self._switching: dict[Feed, deque[tuple[Viewer, SubscribedTrack]]] = {}
        """Who waits for a relay to open."""

    # ------------------------------------------------------------ what happens

    def allocate(self, viewer: Viewer) -> None:
        """Look at the viewer's link and choose. Call when there are new figures, about once a second, or a new wish."""
        if viewer.stage < Stage.CONNECTING:
            return
        for subscription in viewer.subscriptions:
            live = self._stream(subscription.key)
            if live is not None:
                self._allocate(viewer, subscription, live)

    def _allocate(self, viewer: Viewer, subscription: Subscription, live: LiveStream) -> None:
        layered = any(feed.layer_shares for feed in subscription.shown_feeds())
        if len(live.supplies()) <= len(subscription.tracks) and not layered:
            return
        supply, lost = self._supplies.of(live), self._relays.lost(live)
        for track in subscription.tracks:
            if track.kind is not MediaKind.VIDEO or track.muted:
                continue
            timeout_s = HELD_TIMEOUT_S if track.held else SWITCH_TIMEOUT_S
            if track.coming.feed is not None and self._clock() - track.switching_since >= timeout_s:
                self._abandon(viewer, track)
            group = supply.of(track.group, track.codec).without(lost)
            options = group.options
            if options and (len(options) > 1 or layered or options[0].track != track.track):
                self._choose(viewer, track, group)
                self._keep_spare(track, group)

    def stream_changed(self, live: LiveStream) -> bool:
        """Whether viewers of this stream may have to be sent something else now: then call `reconcile` for each."""
        return self._supplies.vanished(live)

    def stream_unwatched(self, key: str) -> None:
        """Nobody here watches the stream."""
        self._supplies.forget(key)

    def reconcile(self, viewer: Viewer) -> list[Subscription]:
        """Tracks whose rendition is gone get another one. The subscriptions that have nothing left that this viewer can
        take."""
        if viewer.stage < Stage.CONNECTING:
            return []
        lives = [(subscription, self._stream(subscription.key)) for subscription in viewer.subscriptions]
        return [s for s, live in lives if live is not None and not self._reconcile(viewer, s, live)]

    def _reconcile(self, viewer: Viewer, subscription: Subscription, live: LiveStream) -> bool:
        supply, lost = self._supplies.of(live), self._relays.lost(live)
        playable = False
        for track in subscription.tracks:
            group = supply.of(track.group, track.codec)
            playable = playable or bool(group.options)
            if group.options and (track.track, track.codec) not in supply.offered:
                self._abandon(viewer, track)
                self._choose(viewer, track, group.without(lost))
        return playable

    def switched(self, viewer: Viewer, index: int, source: int) -> None:
        """The plane completed a switch."""
        track = next((track for track in viewer.tracks if track.index == index), None)
        if track is None or track.coming.feed is None or track.coming.feed.source != source:
            return
        track.shown.put_from(track.coming)
        track.held = False
        self._limit(viewer, track, track.next_layers, before=ALL_LAYERS)
        if track.kind is MediaKind.VIDEO:
            height = self.shown_height(viewer)
            self._session_end.tell(
                viewer, SessionChanged(session=viewer.session, node=self._node, stream_height=height)
            )

    # ------------------------------------------------------------ what the client wants

    def force(self, viewer: Viewer, height: int) -> None:
        """The viewer chose a height; 0 = automatic."""
        viewer.wishes.height = height
        for track in viewer.tracks:
            if track.kind is MediaKind.VIDEO:
                track.selector.force(height)
                self._abandon(viewer, track)
        self.allocate(viewer)

    def mute(self, viewer: Viewer, kind: MediaKind, *, muted: bool) -> None:
        """Stop or resume sending a kind of track."""
        if muted:
            viewer.wishes.muted.add(kind)
        else:
            viewer.wishes.muted.discard(kind)
        for track in viewer.tracks:
            if track.kind is kind and track.muted != muted:
                track.muted = muted
                self._abandon(viewer, track)
                self._point(viewer, track, None if muted else track.shown.feed)

    # ------------------------------------------------------------ what is known

    def room_bps(self, viewer: Viewer) -> int:
        """What the viewer's link is known to carry; 0 = nothing is known."""
        if viewer.stats is None:
            return 0
        selectors = [track.selector for track in viewer.tracks if track.kind is MediaKind.VIDEO]
        link = self._link(viewer, None)
        return max((selector.room_bps(link, self._clock()) for selector in selectors), default=0) or link.sent_bps

    def shown_height(self, viewer: Viewer) -> int | None:
        """Of the first video sent now; 0 while unknown, None without video."""
        for subscription in viewer.subscriptions:
            for track in subscription.tracks:
                if track.kind is MediaKind.VIDEO and track.shown.feed is not None:
                    live = self._stream(subscription.key)
                    supply = live.supply(track.shown.feed.track.track) if live is not None else None
                    return (supply.track if supply is not None else track.shown.feed.track).height
        return None

    def _link(self, viewer: Viewer, track: SubscribedTrack | None) -> LinkFigures:
        """The latest figures, from the point of view of a track."""
        stats = viewer.stats
        if stats is None:
            return LinkFigures(estimate_bps=0, fraction_lost=0.0, sent_bps=0)
        others = [t for t in viewer.tracks if t.kind is MediaKind.VIDEO and t is not track and not t.muted]
        return LinkFigures(
            estimate_bps=stats.estimate_bps,
            fraction_lost=stats.fraction_lost,
            sent_bps=stats.video_bps + stats.audio_bps,
            other_bps=stats.audio_bps + sum(t.shown.feed.track.bitrate_bps for t in others if t.shown.feed),
            rtt_ms=stats.rtt_ms,
            lag_ms=stats.lag_ms,
            jitter_ms=stats.jitter_ms,
        )

    # ------------------------------------------------------------ choosing

    def _choose(self, viewer: Viewer, track: SubscribedTrack, group: GroupSupply) -> None:
        sent = (track.track, track.layers)
        choice = track.selector.choose(
            self._options(group, track),
            track.track,
            self._link(viewer, track),
            self._clock(),
            layers=track.layers,
            switching=track.coming.feed is not None,
        )
        if choice.probe is not None:
            self._probe(viewer, track, choice.probe, fits=(choice.track, choice.layers) != sent)
        self._viewers.note_starved(viewer, any(t.selector.starved for t in viewer.tracks))
        metrics.STARVED.set(self._viewers.starved)
        if choice.track is not None and (choice.track, choice.layers) != sent:
            self._carry_out(viewer, track, group, choice.track, choice.layers)

    def _options(self, group: GroupSupply, track: SubscribedTrack) -> tuple[Option, ...]:
        key = group.live.key
        sent = (track.track, track.layers)
        return with_fewer_layers(group.options, lambda rendition: self._relays.layer_shares(key, rendition), sent)

    def _carry_out(
        self, viewer: Viewer, track: SubscribedTrack, group: GroupSupply, chosen: TrackId, layers: int
    ) -> None:
        if chosen != track.track:
            self._abandon(viewer, track)
        if chosen == track.track:
            self._change_layers(viewer, track, layers)
            return
        forced = bool(track.selector.forced_height)
        cause = SwitchCause.FORCED if forced else switch_cause(group.supplies, track.track, chosen)
        metrics.SWITCHES.labels(cause.value).inc()
        use = self._relays.use(group.live, group.of(chosen))
        track.coming.put(use)
        track.next_layers, track.held, track.switching_since = layers, cause is SwitchCause.DOWN, self._clock()
        self._point_once_open(viewer, track, use.feed)

    def _change_layers(self, viewer: Viewer, track: SubscribedTrack, layers: int) -> None:
        """Other temporal layers of what is sent, or is about to be."""
        if track.coming.feed is not None:
            track.next_layers = layers
            return
        metrics.LAYER_CHANGES.labels("up" if layers > track.shown_layers else "down").inc()
        self._limit(viewer, track, layers, before=track.shown_layers)

    def _limit(self, viewer: Viewer, track: SubscribedTrack, layers: int, *, before: int) -> None:
        track.shown_layers, track.next_layers = layers, ALL_LAYERS
        if layers != before:
            self._plane.execute(protocol.LimitLayers(session=viewer.plane_session, track=track.index, temporal=layers))

    def _keep_spare(self, track: SubscribedTrack, group: GroupSupply) -> None:
        """Keep the next lower rendition at hand: when a link gets slow there is no time to open its relay. Only what
        the publisher sends anyway; a transcoder would have to encode it."""
        supplies = group.supplies
        place = next((i for i, supply in enumerate(supplies) if supply.track.track == track.track), 0)
        lower = supplies[place - 1] if place > 0 and supplies[place - 1].node == group.live.record.owner else None
        spare = track.spare.feed
        if (spare.track.track if spare is not None else None) != (lower.track.track if lower is not None else None):
            track.spare.put(self._relays.use(group.live, lower) if lower is not None else None)

    def _probe(self, viewer: Viewer, track: SubscribedTrack, order: ProbeOrder, *, fits: bool) -> None:
        if order == STOP:
            metrics.PROBES.labels("fits" if fits else "failed").inc()
        self._plane.execute(
            protocol.Probe(
                session=viewer.plane_session,
                track=track.index,
                bitrate_bps=order.bitrate_bps,
                duration_ms=order.duration_ms,
            )
        )

    # ------------------------------------------------------------ switching

    def _point_once_open(self, viewer: Viewer, track: SubscribedTrack, feed: Feed) -> None:
        """Point the track at the feed when its relay is open, unless that was given up meanwhile."""
        waiting = self._switching.get(feed)
        if waiting is not None:
            waiting.append((viewer, track))
            return
        try:
            self._tasks.start(self._switch_all(feed), f"switches to {feed.track.track} of {feed.key}")
        except RillcastError:  # too much runs on the side: as if the relay had not opened
            track.coming.put(None)
            return
        self._switching[feed] = deque(((viewer, track),))

    async def _switch_all(self, feed: Feed) -> None:
        """Wait for a relay, then switch all who want it, without holding the event loop."""
        waiting, usable = self._switching[feed], True
        try:
            await self._relays.opened((feed,))
            await self._relays.filled(feed, self._relay_fill_s, FIRST_PACKET_S)
        except RillcastError:
            usable = False
        while waiting:
            for _ in range(min(TURN, len(waiting))):
                viewer, track = waiting.popleft()
                if track.coming.feed is feed and usable:
                    self._point(viewer, track, feed, hold=track.held)
                elif track.coming.feed is feed:
                    track.coming.put(None)
            await asyncio.sleep(0)
        del self._switching[feed]

    def _abandon(self, viewer: Viewer, track: SubscribedTrack) -> None:
        """Give a switch up that is not complete."""
        track.held = False
        if track.coming.feed is None:
            return
        track.coming.put(None)
        if track.shown.feed is not None and not track.muted:
            self._point(viewer, track, track.shown.feed)

    def _point(self, viewer: Viewer, track: SubscribedTrack, feed: Feed | None, *, hold: bool = False) -> None:
        source = None if feed is None else feed.source
        self._plane.execute(
            protocol.SwitchSource(session=viewer.plane_session, track=track.index, source=source, hold=hold)
        )
