"""Points viewers' tracks at sources: rendition changes, mute, and what a changed stream makes necessary.

A switch first opens the target's relay; then the plane switches at a keyframe and says so; only then the old relay has
one user less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, TrackId
from rillcast.contracts.messages import SessionChanged
from rillcast.media import protocol
from rillcast.media.protocol import ALL_LAYERS
from rillcast.node.background import BackgroundTasks
from services.edge import metrics
from services.edge.domain.bandwidth_probe import STOP, ProbeOrder
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.supply import options_of, supplies_for, with_fewer_layers
from services.edge.domain.viewer import Stage, Viewer, Viewers, ViewerTrack
from services.edge.ports import Clock, Plane
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import Feed, UpstreamRelays

SWITCH_TIMEOUT_S = 8.0
"""A target that brings no keyframe for so long is given up; publishers make one every few seconds, or when asked."""

HELD_TIMEOUT_S = 3.0
"""The same while nothing is sent meanwhile."""

FIRST_PACKET_S = 1.0
"""How long a new relay is waited for."""


class StreamAllocator:
    """Decides and carries out what each track shows."""

    def __init__(
        self,
        *,
        node: NodeId,
        plane: Plane,
        upstream: UpstreamRelays,
        session_end: SessionEnd,
        viewers: Viewers,
        tasks: BackgroundTasks,
        stream: Callable[[str], LiveStream | None],
        clock: Clock,
        relay_fill_s: float,
    ) -> None:
        """`relay_fill_s`: how old a relay must be before a viewer is switched to it."""
        self._node = node
        self._plane = plane
        self._upstream = upstream
        self._session_end = session_end
        self._viewers = viewers
        self._tasks = tasks
        self._stream = stream
        self._clock = clock
        self._relay_fill_s = relay_fill_s

    def steer(self, viewer: Viewer) -> None:
        """Look at the viewer's link and choose. Call once a second, and when the viewer chose."""
        live = self._stream(viewer.key)
        if live is None or viewer.stage < Stage.CONNECTING:
            return
        layered = any(track.feed is not None and track.feed.layer_shares for track in viewer.tracks)
        if len(live.supplies()) <= len(viewer.tracks) and not layered:
            return
        for track in viewer.tracks:
            if track.kind != "video" or track.muted:
                continue
            timeout_s = HELD_TIMEOUT_S if track.held else SWITCH_TIMEOUT_S
            if track.next_feed is not None and self._clock() - track.switching_since >= timeout_s:
                self._abandon(viewer, track)
            supplies = self._alive(live, supplies_for(live, track.group, track.codec))
            if supplies and (len(supplies) > 1 or layered or supplies[0].track.track != track.track):
                self._choose(viewer, track, supplies)
                self._keep_spare(viewer, track, live, supplies)

    def _alive(self, live: LiveStream, supplies: tuple[TrackSupply, ...]) -> tuple[TrackSupply, ...]:
        """Without renditions that fell silent, unless nothing else is left."""
        lost = self._upstream.lost(live)
        return tuple(supply for supply in supplies if supply.track.track not in lost) or supplies

    def force(self, viewer: Viewer, height: int) -> None:
        """The viewer chose a height; 0 = automatic."""
        for track in viewer.tracks:
            if track.kind == "video":
                track.selector.force(height)
                self._abandon(viewer, track)
        self.steer(viewer)

    def mute(self, viewer: Viewer, track: ViewerTrack, *, muted: bool) -> None:
        """Stop or resume sending a track."""
        if track.muted == muted:
            return
        track.muted = muted
        self._abandon(viewer, track)
        if track.feed is not None:
            self._point(viewer, track, None if muted else track.feed)

    def reconcile(self, viewer: Viewer, live: LiveStream) -> bool:
        """The stream's record changed: tracks whose rendition is gone get another one. False when the stream has
        nothing left that this viewer can take."""
        playable = False
        for track in viewer.tracks:
            supplies = supplies_for(live, track.group, track.codec)
            playable = playable or bool(supplies)
            supplies = self._alive(live, supplies)
            offered = {supply.track.track for supply in live.supplies() if supply.track.codec == track.codec}
            if supplies and track.track not in offered:
                self._abandon(viewer, track)
                self._choose(viewer, track, supplies)
        return playable

    def switched(self, viewer: Viewer, index: int, source: int) -> None:
        """The plane completed a switch."""
        track = next((t for t in viewer.tracks if t.index == index), None)
        if track is None or track.next_feed is None or track.next_feed.source != source:
            return
        before, track.feed, track.next_feed = track.feed, track.next_feed, None
        track.held = False
        self._limit(viewer, track, track.next_layers, before=ALL_LAYERS)
        if before is not None:
            self._upstream.release(before)
        if track.kind == "video":
            height = self._height(viewer, track.feed)
            self._session_end.tell(
                viewer, SessionChanged(session=viewer.session, node=self._node, stream_height=height)
            )

    def room_bps(self, viewer: Viewer) -> int:
        """What the viewer's link is known to carry; 0 = nothing is known."""
        if viewer.stats is None:
            return 0
        choosers = [track.selector for track in viewer.tracks if track.kind == "video"]
        link = self._link(viewer, None)
        return max((selector.room_bps(link, self._clock()) for selector in choosers), default=0) or link.sent_bps

    def _link(self, viewer: Viewer, track: ViewerTrack | None) -> LinkFigures:
        """The latest figures, from the point of view of a track."""
        stats = viewer.stats
        if stats is None:
            return LinkFigures(estimate_bps=0, fraction_lost=0.0, sent_bps=0)
        others = [t for t in viewer.tracks if t.kind == "video" and t is not track and t.feed and not t.muted]
        return LinkFigures(
            estimate_bps=stats.estimate_bps,
            fraction_lost=stats.fraction_lost,
            sent_bps=stats.video_bps + stats.audio_bps,
            other_bps=stats.audio_bps + sum(t.feed.track.bitrate_bps for t in others if t.feed),
            rtt_ms=stats.rtt_ms,
            lag_ms=stats.lag_ms,
            jitter_ms=stats.jitter_ms,
        )

    def _choose(self, viewer: Viewer, track: ViewerTrack, supplies: tuple[TrackSupply, ...]) -> None:
        link, sent = self._link(viewer, track), (track.track, track.layers)
        options = with_fewer_layers(
            options_of(supplies), lambda rendition: self._upstream.layer_shares(viewer.key, rendition), sent
        )
        choice = track.selector.choose(
            options, track.track, link, self._clock(), layers=track.layers, switching=track.next_feed is not None
        )
        if choice.probe is not None:
            self._probe(viewer, track, choice.probe, fits=(choice.track, choice.layers) != sent)
        self._viewers.note_starved(viewer, any(t.selector.starved for t in viewer.tracks))
        chosen = choice.track
        if chosen is None or (chosen, choice.layers) == sent:
            return
        if chosen != track.track:
            self._abandon(viewer, track)
        if chosen == track.track:
            self._relayer(viewer, track, choice.layers)
            return
        cause = "forced" if track.selector.forced_height else _direction(supplies, track.track, chosen)
        metrics.SWITCHES.labels(cause).inc()
        supply = next(s for s in supplies if s.track.track == chosen)
        track.next_feed, track.next_layers = self._upstream.hold(viewer.key, supply), choice.layers
        track.held = cause == "down"
        track.switching_since = self._clock()
        self._tasks.start(self._switch(viewer, track, supply, track.next_feed), "rendition switch")

    def _relayer(self, viewer: Viewer, track: ViewerTrack, layers: int) -> None:
        """Other temporal layers of what is sent, or is about to be."""
        if track.next_feed is not None:
            track.next_layers = layers
            return
        metrics.LAYER_CHANGES.labels("up" if layers > track.shown_layers else "down").inc()
        self._limit(viewer, track, layers, before=track.shown_layers)

    def _limit(self, viewer: Viewer, track: ViewerTrack, layers: int, *, before: int) -> None:
        track.shown_layers, track.next_layers = layers, ALL_LAYERS
        if layers != before:
            self._plane.execute(protocol.LimitLayers(session=viewer.plane_session, track=track.index, temporal=layers))

    def _keep_spare(
        self, viewer: Viewer, track: ViewerTrack, live: LiveStream, supplies: tuple[TrackSupply, ...]
    ) -> None:
        """Keep the next lower rendition at hand: when a link gets slow there is no time to open its relay. Only what
        the publisher sends anyway; a transcoder would have to encode it."""
        place = next((i for i, supply in enumerate(supplies) if supply.track.track == track.track), 0)
        lower = supplies[place - 1] if place > 0 and supplies[place - 1].node == live.record.owner else None
        before = track.spare
        if (before.track.track if before is not None else None) == (lower.track.track if lower is not None else None):
            return
        track.spare = self._upstream.hold(viewer.key, lower) if lower is not None else None
        if before is not None:
            self._upstream.release(before)

    def _probe(self, viewer: Viewer, track: ViewerTrack, order: ProbeOrder, *, fits: bool) -> None:
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

    async def _switch(self, viewer: Viewer, track: ViewerTrack, supply: TrackSupply, feed: Feed) -> None:
        """Wait for the target's relay, then point the track at it. The use of `feed` is the track's already."""
        try:
            self._upstream.release(await self._upstream.acquire(viewer.key, supply))
        except RillcastError:
            if track.next_feed is feed:
                track.next_feed = None
                self._upstream.release(feed)
            return
        await self._filled(feed)
        if track.next_feed is feed and viewer.stage < Stage.ENDED:
            self._point(viewer, track, feed, hold=track.held)

    async def _filled(self, feed: Feed) -> None:
        """Wait until the relay's first burst is over; if nothing comes the plane waits for a keyframe anyway."""
        if not self._relay_fill_s:
            return
        try:
            async with asyncio.timeout(FIRST_PACKET_S):
                await feed.started.wait()
        except TimeoutError:
            return
        await asyncio.sleep(max(0.0, feed.started_at + self._relay_fill_s - self._clock()))

    def _abandon(self, viewer: Viewer, track: ViewerTrack) -> None:
        """Give a switch up that is not complete."""
        feed, track.next_feed, track.held = track.next_feed, None, False
        if feed is None:
            return
        self._upstream.release(feed)
        if track.feed is not None and not track.muted:
            self._point(viewer, track, track.feed)

    def _point(self, viewer: Viewer, track: ViewerTrack, feed: Feed | None, *, hold: bool = False) -> None:
        source = None if feed is None else feed.source
        session, index = viewer.plane_session, track.index
        self._plane.execute(protocol.SwitchSource(session=session, track=index, source=source, hold=hold))

    def shown_height(self, viewer: Viewer) -> int | None:
        """Of the rendition sent now; 0 while unknown, None without video."""
        feed = next((track.feed for track in viewer.tracks if track.kind == "video"), None)
        return None if feed is None else self._height(viewer, feed)

    def _height(self, viewer: Viewer, feed: Feed) -> int:
        live = self._stream(viewer.key)
        supply = live.supply(feed.track.track) if live is not None else None
        return (supply.track if supply is not None else feed.track).height


def _direction(supplies: tuple[TrackSupply, ...], before: TrackId | None, after: TrackId) -> str:
    order = [supply.track.track for supply in supplies]
    if before not in order:
        return "lost"
    return "up" if order.index(after) > order.index(before) else "down"
