"""How a track of a viewer gets to another rendition, to other temporal layers, or to silence and back.

A switch first opens the target's relay; then the plane switches at a keyframe and says so; only then the old relay has
one user less.
"""

from __future__ import annotations

import asyncio
from collections import deque

from rillcast.contracts.errors import RillcastError
from rillcast.media import protocol
from rillcast.media.protocol import ALL_LAYERS, SourceId
from rillcast.node.background import BackgroundTasks
from services.edge import metrics
from services.edge.domain.feed import Feed, FeedUse
from services.edge.domain.subscription import SubscribedTrack
from services.edge.domain.viewer import Viewer
from services.edge.ports import Clock
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.upstream_relays import UpstreamRelays

SWITCH_TIMEOUT_S = 8.0
"""A target that brings no keyframe for so long is given up; publishers make one every few seconds, or when asked."""
HELD_TIMEOUT_S = 3.0
"""The same for a switch during which nothing is sent."""
FIRST_PACKET_S = 1.0
"""How long the first packet of a new relay is waited for."""
TURN = 32
"""Switches in one turn of the event loop."""


class TrackSwitch:
    """One per edge, for all its viewers."""

    def __init__(
        self,
        plane: CommandBacklog,
        relays: UpstreamRelays,
        *,
        tasks: BackgroundTasks,
        clock: Clock,
        relay_fill_s: float,
    ) -> None:
        """`relay_fill_s`: how long a relay must have flowed before a viewer is switched to it."""
        self._plane = plane
        self._relays = relays
        self._tasks = tasks
        self._clock = clock
        self._relay_fill_s = relay_fill_s
        self._waiting: dict[Feed, deque[tuple[Viewer, SubscribedTrack]]] = {}
        """The tracks that wait for a relay to open."""

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, viewer: Viewer, track: SubscribedTrack, use: FeedUse, layers: int, *, hold: bool) -> None:
        """Switch to what `use` holds, with so many temporal layers. `hold`: nothing is sent until it is complete. Of a
        track that is muted nothing is sent anyway, so it is complete at once."""
        if track.muted:
            track.shown.put(use)
            self._limit(viewer, track, layers, before=track.shown_layers)
            return
        track.coming.put(use)
        track.next_layers, track.held, track.switching_since = layers, hold, self._clock()
        self._point_when_open(viewer, track, use.feed)

    def start(self, viewer: Viewer, track: SubscribedTrack, use: FeedUse | None) -> None:
        """How much the path takes is known now: begin with what `use` holds, or with what the track has already."""
        if use is not None and not track.muted:
            track.coming.put(use)
            track.next_layers, track.held, track.switching_since = ALL_LAYERS, False, self._clock()
            self._point_when_open(viewer, track, use.feed)
            return
        if track.coming.feed is not None:
            return  # what the join has opened is gone, and something else is on its way
        track.awaits_path = False
        if use is not None:
            track.shown.put(use)
        if track.shown.feed is not None and not track.muted:
            self._point(viewer, track, track.shown.feed)

    def completed(self, viewer: Viewer, index: int, source: SourceId) -> SubscribedTrack | None:
        """The plane has switched a track; which it was, unless that switch was given up meanwhile."""
        track = next((track for track in viewer.tracks if track.index == index), None)
        if track is None or track.coming.feed is None or track.coming.feed.source != source:
            return None
        track.shown.put_from(track.coming)
        track.held = False
        self._limit(viewer, track, track.next_layers, before=ALL_LAYERS)
        return track

    def give_up_if_overdue(self, viewer: Viewer, track: SubscribedTrack) -> None:
        """Give a switch up whose keyframe does not come."""
        timeout_s = HELD_TIMEOUT_S if track.held else SWITCH_TIMEOUT_S
        if track.coming.feed is not None and self._clock() - track.switching_since >= timeout_s:
            self.abandon(viewer, track)

    def abandon(self, viewer: Viewer, track: SubscribedTrack) -> None:
        """Give a switch up that is not complete, if there is one."""
        track.held = track.awaits_path = False
        if track.coming.feed is None:
            return
        track.coming.put(None)
        if track.shown.feed is not None and not track.muted:
            self._point(viewer, track, track.shown.feed)

    def mute(self, viewer: Viewer, track: SubscribedTrack, *, muted: bool) -> None:
        """Stop or resume sending a track."""
        if track.awaits_path and track.coming.feed is None:
            track.muted = muted
        elif track.muted != muted:
            track.muted = muted
            self.abandon(viewer, track)
            feed = track.shown.feed
            if muted or feed is None or feed.relay.ever_open:
                self._point(viewer, track, None if muted else feed)
            else:
                track.coming.put_from(track.shown)
                track.next_layers, track.switching_since = track.shown_layers, self._clock()
                self._point_when_open(viewer, track, feed)

    def change_layers(self, viewer: Viewer, track: SubscribedTrack, layers: int) -> None:
        """Send other temporal layers of what is sent, or is about to be."""
        if track.coming.feed is not None:
            track.next_layers = layers
            return
        metrics.LAYER_CHANGES.labels("up" if layers > track.shown_layers else "down").inc()
        self._limit(viewer, track, layers, before=track.shown_layers)

    def _point_when_open(self, viewer: Viewer, track: SubscribedTrack, feed: Feed) -> None:
        waiting = self._waiting.get(feed)
        if waiting is not None:
            waiting.append((viewer, track))
            return
        try:
            self._tasks.start(self._point_all(feed), f"switches to {feed.track.track} of {feed.key}")
        except RillcastError:  # too much runs on the side: as if the relay had not opened
            if track.awaits_path:
                self.abandon(viewer, track)
            track.coming.put(None)
            return
        self._waiting[feed] = deque(((viewer, track),))

    async def _point_all(self, feed: Feed) -> None:
        """Wait for a relay, then point all tracks at it that still want it, without holding the event loop."""
        waiting, usable = self._waiting[feed], True
        try:
            await self._relays.opened((feed,))
            await self._relays.filled(feed, self._relay_fill_s, FIRST_PACKET_S)
        except RillcastError:
            usable = False
        while waiting:
            for _ in range(min(TURN, len(waiting))):
                viewer, track = waiting.popleft()
                if track.coming.feed is not feed:
                    continue
                if track.awaits_path:
                    self._begin(viewer, track, usable=usable)
                elif usable:
                    self._point(viewer, track, feed, hold=track.held)
                else:
                    track.coming.put(None)
            await asyncio.sleep(0)
        del self._waiting[feed]

    def _begin(self, viewer: Viewer, track: SubscribedTrack, *, usable: bool) -> None:
        """Nothing was sent so far. If the relay does not open, what the join has opened is sent."""
        if not usable:
            self.abandon(viewer, track)
            return
        track.awaits_path = False
        track.shown.put_from(track.coming)
        if track.shown.feed is not None:
            self._point(viewer, track, track.shown.feed)

    def _point(self, viewer: Viewer, track: SubscribedTrack, feed: Feed | None, *, hold: bool = False) -> None:
        source = None if feed is None else feed.source
        self._plane.execute(
            protocol.SwitchSource(session=viewer.plane_session, track=track.index, source=source, hold=hold)
        )

    def _limit(self, viewer: Viewer, track: SubscribedTrack, layers: int, *, before: int) -> None:
        track.shown_layers, track.next_layers = layers, ALL_LAYERS
        if layers != before:
            self._plane.execute(protocol.LimitLayers(session=viewer.plane_session, track=track.index, temporal=layers))
