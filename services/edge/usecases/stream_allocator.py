"""The stream allocator: decides what each track of a viewer is sent, as its link, its wishes and its streams change.
How a track gets there is in `track_switch`."""

from __future__ import annotations

from collections.abc import Callable, Set

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import TrackId
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.protocol import SourceId
from services.edge import metrics
from services.edge.domain.bandwidth_probe import ProbeOrder
from services.edge.domain.congestion_control import LinkFigures
from services.edge.domain.feed import FeedUse
from services.edge.domain.options import Option
from services.edge.domain.stage import Stage
from services.edge.domain.stream_change import Left, what_is_left
from services.edge.domain.subscription import SubscribedTrack, Subscription
from services.edge.domain.supply import GroupSupply, Supplies, SwitchCause, switch_cause, with_fewer_layers
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Clock
from services.edge.usecases.backup_misfits import Misfits
from services.edge.usecases.command_backlog import CommandBacklog
from services.edge.usecases.session_events import SessionEvents
from services.edge.usecases.track_switch import TrackSwitch
from services.edge.usecases.upstream_relays import UpstreamRelays

SAME_PACE = 0.1
"""Less of a change is none."""
AUDIO_BPS = 50_000
"""What a sound needs whose bit rate was not measured yet."""


class StreamAllocator:
    """One per edge, for all its viewers."""

    def __init__(
        self,
        plane: CommandBacklog,
        viewers: Viewers,
        relays: UpstreamRelays,
        switch: TrackSwitch,
        events: SessionEvents,
        *,
        supplies: Supplies,
        stream: Callable[[str], LiveStream | None],
        stopped: Callable[[str], Set[TrackId]],
        clock: Clock,
    ) -> None:
        """`stream`: what is live under a key. `stopped`: the layers of a stream that come no more."""
        self._plane = plane
        self._relays = relays
        self._events = events
        self._viewers = viewers
        self._switch = switch
        self._stream = stream
        self._stopped = stopped
        self._clock = clock
        self._supplies = supplies
        self._misfits = Misfits()

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
        supply, at_home = self._supplies.of(live), all(track.track_of(live.key) for track in subscription.tracks)
        if at_home and supply.backup is None and len(live.supplies()) <= len(subscription.tracks) and not layered:
            return
        for track in subscription.tracks:
            group = supply.of(track.group, track.codec)
            here = track.track_of(group.live.key)
            if track.awaits_path:
                self._switch.give_up_if_overdue(viewer, track)
                continue
            if track.kind is not MediaKind.VIDEO or track.muted:
                if here is None and group.options:
                    self._choose(viewer, track, group)
                continue
            self._switch.give_up_if_overdue(viewer, track)
            options = (group := self._fit(group)).options
            if options and (len(options) > 1 or layered or options[0].track != here):
                self._choose(viewer, track, group)
                self._keep_spare(track, group)

    def stream_changed(self, live: LiveStream) -> bool:
        """Whether viewers of this stream may have to be sent something else now: then call `reconcile` for each."""
        return self._supplies.changed(live)

    def stream_unwatched(self, key: str) -> None:
        """Nobody here watches the stream."""
        self._supplies.forget(key)
        self._misfits.forget(key)

    def reconcile(self, viewer: Viewer) -> list[tuple[Subscription, Left]]:
        """Tracks whose rendition is gone get another one. What is left of each subscription to a stream that lives."""
        if viewer.stage < Stage.CONNECTING:
            return []
        lives = [(subscription, self._stream(subscription.key)) for subscription in viewer.subscriptions]
        return [(s, self._reconcile(viewer, s, live)) for s, live in lives if live is not None]

    def _reconcile(self, viewer: Viewer, subscription: Subscription, live: LiveStream) -> Left:
        supply = self._supplies.of(live)
        for track in subscription.tracks:
            group = supply.of(track.group, track.codec)
            if group.options and (track.track_of(group.live.key), track.codec) not in group.offered:
                self._switch.abandon(viewer, track)
                self._choose(viewer, track, self._fit(group))
            self._misfits.note(supply, track.group, track.codec)
        wanted = viewer.request.subscriptions[subscription.place]
        return what_is_left(subscription.tracks, supply, wanted.ladder_codecs)

    def on_event(
        self, viewer: Viewer, event: protocol.SourceSwitched | protocol.PathMeasured | protocol.Probed
    ) -> None:
        """Take in what the plane tells of a viewer."""
        match event:
            case protocol.SourceSwitched(track=track, source=source):
                self._switched(viewer, track, source)
            case protocol.PathMeasured(bitrate_bps=path_bps):
                self._measured(viewer, path_bps)
            case protocol.Probed():
                self._probed(viewer, event)

    def _switched(self, viewer: Viewer, index: int, source: SourceId) -> None:
        """The plane has completed a switch: `source` is what it sends now on the m-line `index`."""
        track = self._switch.completed(viewer, index, source)
        if track is not None and track.kind is MediaKind.VIDEO:
            self._tell_height(viewer, next(s for s in viewer.subscriptions if track in s.tracks))

    def _measured(self, viewer: Viewer, path_bps: int) -> None:
        """How much the viewer's path takes, in bit/s; 0 = it could not be measured. Tracks that have waited for it
        begin."""
        audio_bps = sum(
            t.shown.feed.track.bitrate_bps or AUDIO_BPS for t in viewer.tracks if _is_sound(t) and t.shown.feed
        )
        waiting = [(s, track) for s in viewer.subscriptions for track in s.tracks if track.awaits_path]
        for subscription, track in waiting:
            live = self._stream(subscription.key)
            use = None if live is None else self._first_use(viewer, track, live, path_bps // len(waiting), audio_bps)
            self._switch.start(viewer, track, use)
            if viewer.stage is Stage.MEDIA:
                self._tell_height(viewer, subscription)

    def _first_use(
        self, viewer: Viewer, track: SubscribedTrack, live: LiveStream, room_bps: int, audio_bps: int
    ) -> FeedUse | None:
        """What to begin with, if it is not what the join has opened already, which is the most it may be."""
        group = self._fit(self._supplies.of(live).of(track.group, track.codec))
        most = track.track_of(group.live.key)
        options = group.options
        if not track.selector.forced_height:
            options = options[: next((i + 1 for i, option in enumerate(options) if option.track == most), len(options))]
        if not options:
            return None
        chosen = track.selector.begin(options, room_bps, audio_bps)
        self._pace(viewer, track, track.selector.pace_bps(chosen, audio_bps, self._clock()))
        return None if chosen.track == most else self._relays.use(group.live, group.of(chosen.track))

    def _probed(self, viewer: Viewer, result: protocol.Probed) -> None:
        """A probe has ended."""
        for subscription in viewer.subscriptions:
            live = self._stream(subscription.key)
            track = next((track for track in subscription.tracks if track.index == result.track), None)
            if live is None or track is None or not track.selector.probing:
                continue
            group = self._fit(self._supplies.of(live).of(track.group, track.codec))
            if group.options:
                self._choose(viewer, track, group, result)

    # ------------------------------------------------------------ what the client wants

    def force(self, viewer: Viewer, subscription: Subscription, height: int) -> None:
        """The viewer chose a height for a stream, in pixels; 0 = automatic."""
        subscription.wishes.height = height
        for track in subscription.tracks:
            if track.kind is MediaKind.VIDEO:
                track.selector.force(height)
                if not track.awaits_path:
                    self._switch.abandon(viewer, track)
        self.allocate(viewer)

    def mute(self, viewer: Viewer, subscription: Subscription, kind: MediaKind, *, muted: bool) -> None:
        """Stop or resume sending a kind of track of a stream."""
        if muted:
            subscription.wishes.muted.add(kind)
        else:
            subscription.wishes.muted.discard(kind)
        for track in subscription.tracks:
            if track.kind is kind:
                self._switch.mute(viewer, track, muted=muted)

    # ------------------------------------------------------------ what is known

    def room_bps(self, viewer: Viewer) -> int:
        """What the viewer's link is known to carry; 0 = nothing is known."""
        if viewer.stats is None:
            return 0
        selectors = [track.selector for track in viewer.tracks if track.kind is MediaKind.VIDEO]
        link = self._link(viewer, None)
        return max((selector.room_bps(link, self._clock()) for selector in selectors), default=0) or link.sent_bps

    def heights(self, viewer: Viewer) -> list[tuple[Subscription, int]]:
        """In which height each stream with video is sent. Asked once per session, when its media begins."""
        heights = ((subscription, self._height(subscription)) for subscription in viewer.subscriptions)
        return [(subscription, height) for subscription, height in heights if height is not None]

    def _tell_height(self, viewer: Viewer, subscription: Subscription) -> None:
        if (height := self._height(subscription)) is not None:
            self._events.height(viewer, subscription, height)

    def _height(self, subscription: Subscription) -> int | None:
        """Of the first video of a stream that is sent now; 0 while it is unknown. None without video."""
        for track in subscription.tracks:
            feed = track.coming.feed if track.awaits_path else track.shown.feed
            if track.kind is MediaKind.VIDEO and feed is not None:
                live = self._stream(feed.key)
                supply = live.supply(feed.track.track) if live is not None else None
                return (supply.track if supply is not None else feed.track).height
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
            # Reports are of one video, and the figures do not say of which.
            lag_ms=0.0 if others else stats.lag_ms,
            delivered_bps=0 if others else stats.delivered_bps,
            backlogged=stats.backlogged and not others,
            jitter_ms=stats.jitter_ms,
        )

    # ------------------------------------------------------------ choosing

    def _choose(
        self, viewer: Viewer, track: SubscribedTrack, group: GroupSupply, probed: protocol.Probed | None = None
    ) -> None:
        here = track.track_of(group.live.key)
        sent = (here, track.layers)
        choice = track.selector.choose(
            self._options(group, track),
            here,
            self._link(viewer, track),
            self._clock(),
            layers=track.layers,
            switching=track.coming.feed is not None,
            may_probe=not any(t.selector.probing for t in viewer.tracks if t is not track),
            probed=probed,
        )
        track.lower = not track.selector.forced_height and (choice.track or here) != group.options[-1].track
        if choice.tried is not None:
            metrics.PROBES.labels(choice.tried.value).inc()
        if choice.probe is not None:
            self._probe(viewer, track, choice.probe)
        self._pace(viewer, track, choice.pace_bps)
        self._viewers.note_starved(viewer, any(t.selector.starved for t in viewer.tracks))
        metrics.STARVED.set(self._viewers.starved)
        if choice.track is not None and (choice.track, choice.layers) != sent:
            self._carry_out(viewer, track, group, choice.track, choice.layers)

    def _fit(self, group: GroupSupply) -> GroupSupply:
        """Without what comes no more although the record of the stream still has it."""
        return group.without(self._relays.lost(group.live) | self._stopped(group.live.key))

    def _options(self, group: GroupSupply, track: SubscribedTrack) -> tuple[Option, ...]:
        key = group.live.key
        sent = (track.track_of(key), track.layers)
        return with_fewer_layers(
            group.options, lambda rendition: self._relays.layer_shares(key, (rendition, track.codec)), sent
        )

    def _carry_out(
        self, viewer: Viewer, track: SubscribedTrack, group: GroupSupply, chosen: TrackId, layers: int
    ) -> None:
        if chosen != track.track_of(group.live.key):
            self._switch.abandon(viewer, track)
        here = track.track_of(group.live.key)
        if chosen == here:
            self._switch.change_layers(viewer, track, layers)
            return
        cause = switch_cause(group.supplies, here, chosen)
        if here is None and track.track is not None:
            cause = SwitchCause.BACKUP if group.is_backup else SwitchCause.BACK
        elif track.selector.forced_height:
            cause = SwitchCause.FORCED
        metrics.SWITCHES.labels(cause.value).inc()
        use = self._relays.use(group.live, group.of(chosen))
        # Nothing of another stream's sound is heard any more while the picture still comes of it.
        hold = cause is SwitchCause.DOWN or (here is None and track.kind is MediaKind.AUDIO)
        self._switch.begin(viewer, track, use, layers, hold=hold)

    def _keep_spare(self, track: SubscribedTrack, group: GroupSupply) -> None:
        """Keep the next lower rendition at hand that comes: when a link gets slow there is no time to open its relay.
        Only what the publisher sends anyway; a transcoder would have to encode it."""
        supplies = group.supplies
        here = track.track_of(group.live.key)
        place = next((i for i, supply in enumerate(supplies) if supply.track.track == here), 0)
        silent = {feed.track.track for feed in self._relays.feeds_of(group.live.key) if feed.flows_since is None}
        coming = [supply for supply in supplies[:place] if supply.track.track not in silent]
        lower = coming[-1] if coming and coming[-1].node == group.live.record.owner else None
        spare = track.spare.feed
        kept = (spare.key, spare.track.track) if spare is not None else None
        if kept != ((group.live.key, lower.track.track) if lower is not None else None):
            track.spare.put(self._relays.use(group.live, lower) if lower is not None else None)

    def _pace(self, viewer: Viewer, track: SubscribedTrack, pace_bps: int) -> None:
        if bool(pace_bps) == bool(track.pace_bps) and abs(pace_bps - track.pace_bps) <= track.pace_bps * SAME_PACE:
            return
        track.pace_bps = pace_bps
        self._plane.execute(protocol.Pace(session=viewer.plane_session, track=track.index, bitrate_bps=pace_bps))

    def _probe(self, viewer: Viewer, track: SubscribedTrack, order: ProbeOrder) -> None:
        self._plane.execute(
            protocol.Probe(
                session=viewer.plane_session,
                track=track.index,
                bitrate_bps=order.bitrate_bps,
                duration_ms=order.duration_ms,
            )
        )


def _is_sound(track: SubscribedTrack) -> bool:
    return track.kind is MediaKind.AUDIO and not track.muted
