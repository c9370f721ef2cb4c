"""The rendition (layer) selector: which rendition one viewer gets. It goes down at once when the viewer's link is full,
and up only after a probe has shown that more fits. A viewer's own choice goes before all that. Ladder rungs and
simulcast layers are treated alike. No I/O, no clock.

A rendition with temporal layers is several options: fewer layers are the same picture with fewer frames. Only video is
chosen. What audio needs is set aside before anything is compared, and the lowest option is kept however little fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import AbrSettings
from rillcast.media.protocol import ALL_LAYERS, Probed
from services.edge.domain.bandwidth_probe import BandwidthProbe, ProbeOrder, Verdict, loss_order, more_is_lost
from services.edge.domain.congestion_control import VERY_SHORT, Congestion, CongestionDetector, LinkFigures
from services.edge.domain.link_room import LinkRoom
from services.edge.domain.near_misses import NearMisses
from services.edge.domain.options import Option, first_choice, nearest, place_of, whole
from services.edge.domain.relapses import Relapses

SAFETY = 0.95
"""The share of a full link's room that a rendition may need. It is high because REMB itself is cautious."""
FRESH_SHARE = 0.6
"""The share of a room that was just seen to shrink that fewer frames of a rendition may need. To find that it was not
enough costs more than a smaller picture. The lowest rendition is exempt."""
FIRST_SHARE = 0.8
"""The share of what a path was measured to take that the first rendition may need."""
SETTLE_S = 1.5
"""For so long after going down, signs of congestion are those of what was sent before."""
SETTLE_LEAST_S = 0.7
"""The same when even what is sent since is far too much."""
PROBE_SETTLE_S = 1.0
"""For so long after a pulse of padding, signs of congestion are those of the padding."""
QUIET_S = 1.0
"""How long a link must have been quiet before it is tried."""
TRY_AGAIN_S = 1.5
"""How long to wait after going down or after a failed try. The time grows with every failure in a row."""
WAIT_GROWTH = 1.4
MOST_WAIT_S = 4.0
"""The longest time between two tries, if they cost so little as `PADDING_SHARE` allows."""
PADDING_SHARE = 0.035
"""The share of what a link takes that failed tries should cost it at most."""
MOST_PAID_S = 4.5
"""Tries are never further apart than this for the sake of `PADDING_SHARE`."""
REST_S = 16.0
"""The rest after many failed tries, where the settings ask for it."""
LOST_S = 5.0
"""A pulse whose result has not come by then is given up: the session was interrupted."""
STARVED_S = 5.0
"""How long the lowest rendition counts as too much after the last sign of it."""


class Choice(msgspec.Struct, frozen=True):
    """What a viewer is to be sent now, as the selector decides."""

    track: TrackId | None
    """The rendition to send; None if there were no options."""
    layers: int = ALL_LAYERS
    """The highest temporal layer that is sent of it, as in `LimitLayers`."""
    probe: ProbeOrder | None = None
    """A pulse to send now."""
    tried: Verdict | None = None
    """How a try has ended."""
    pace_bps: int = 0
    """How fast it may be sent at most; 0 = as fast as it comes."""


class _Moment(msgspec.Struct, frozen=True):
    """What one choice is made of."""

    options: Sequence[Option]
    place: int
    """The place of what is sent among the options."""
    link: LinkFigures
    now: float

    @property
    def current(self) -> Option:
        return self.options[self.place]

    @property
    def higher(self) -> Sequence[Option]:
        return self.options[self.place + 1 :]


class RenditionSelector:
    """The state of one viewer's video. Ask whenever there are new figures, at least once a second, and when a probe has
    ended."""

    def __init__(self, settings: AbrSettings | None = None) -> None:
        self._settings = settings or AbrSettings()
        self.forced_height = 0
        """The height in pixels that the viewer asked for; 0 = automatic."""
        self._trend = CongestionDetector(self._settings)
        self._room = LinkRoom()
        self._probe: BandwidthProbe | None = None
        self._tests_loss = False
        """Whether a pulse is under way that tells why packets get lost."""
        self._pulse_at = -math.inf
        self._relapses = Relapses()
        self._near_misses = NearMisses()
        self._quiet_since: float | None = None
        self._excess = 0
        self._went_down_at = -math.inf
        self._try_at = -math.inf
        self._failures = 0
        self._padded_at = -math.inf
        self._congested_at = -math.inf
        self.starved = False
        """Whether not even the lowest rendition fits. It is sent nevertheless."""

    @property
    def probing(self) -> bool:
        """Whether the result of a pulse is waited for."""
        return self._probe is not None or self._tests_loss

    def begin(self, options: Sequence[Option], room_bps: int, other_bps: int = 0) -> Option:
        """What to send first, to a viewer whose path was measured to take so much; 0 = it could not be measured.
        `options`: one at least, lowest first. `other_bps`: what is sent besides."""
        self._room.path_measured(room_bps)
        if self.forced_height:
            return nearest(options, self.forced_height)
        track = first_choice(options, max(1, int(room_bps * FIRST_SHARE) - other_bps))
        return next(option for option in whole(options) if option.track == track)

    def pace_bps(self, option: Option, other_bps: int, now: float) -> int:
        """See `LinkRoom.pace_bps`."""
        return self._room.pace_bps(option, other_bps, now)

    def choose(
        self,
        options: Sequence[Option],
        current: TrackId | None,
        link: LinkFigures,
        now: float,
        *,
        layers: int = ALL_LAYERS,
        switching: bool = False,
        may_probe: bool = True,
        probed: Probed | None = None,
    ) -> Choice:
        """What to send from now on. `options` of one codec, lowest first; `layers` of `current` are sent. `switching`:
        `current` is on its way and something else is still sent. `may_probe`: no other track of the viewer does.
        `probed`: the result of the pulse ordered last."""
        place = place_of(options, current, layers)
        congestion = self._observe(options[place].needs_bps(link) if place is not None else 0, link, now)
        if not options or self.forced_height or place is None:
            self._end_probe()
            choice = self._choose_anew(options, link, now)
        else:
            moment = _Moment(options, place, link, now)
            self._note_starving(moment, congestion)
            choice = self._follow(moment, congestion, probed, may_probe=may_probe and not switching)
        chosen = place_of(options, choice.track, choice.layers)
        if chosen is None:
            return choice
        return msgspec.structs.replace(choice, pace_bps=self.pace_bps(options[chosen], link.other_bps, now))

    def force(self, height: int) -> None:
        """The viewer chose this height in pixels; 0 = automatic again."""
        self.forced_height = height
        self._trend.forget_estimate()
        self._quiet_since = None

    def room_bps(self, link: LinkFigures, now: float) -> int:
        """What the link is known to carry: the estimate, or more if more was seen to go through."""
        passes = link.sent_bps if now - self._congested_at > STARVED_S else 0
        return max(link.estimate_bps, self._room.seen_bps, passes)

    def _choose_anew(self, options: Sequence[Option], link: LinkFigures, now: float) -> Choice:
        if not options:
            return Choice(None)
        if self.forced_height:
            return _send(nearest(options, self.forced_height))
        return Choice(first_choice(options, max(1, self.room_bps(link, now) - link.other_bps)))

    def _follow(self, at: _Moment, congestion: Congestion | None, probed: Probed | None, *, may_probe: bool) -> Choice:
        if congestion is not None and not self._settling(at.now, far_short=_far_short(congestion, at)):
            return self._congested(at, congestion)
        self._relapses.stays(at.now)
        if self.probing:
            return self._take(at, probed)
        if not may_probe or congestion is not None:
            return _send(at.current)
        if self._trend.lossy and not self._settling(at.now):
            self._tests_loss = True
            return self._pulse(at, loss_order(max(int(self._trend.sent_bps), at.link.sent_bps)))
        return self._try(at) if self._may_try(at) else _send(at.current)

    # ------------------------------------------------------------ down

    def _observe(self, needs_bps: int, link: LinkFigures, now: float) -> Congestion | None:
        if self._settling(now):
            link = msgspec.structs.replace(link, fraction_lost=min(link.fraction_lost, self._trend.loss / 100))
        congestion = self._trend.observe(link, needs_bps, now)
        if now - self._padded_at < PROBE_SETTLE_S:
            self._trend.forgive()
        return congestion

    def _settling(self, now: float, *, far_short: bool = False) -> bool:
        """Whether what is seen comes of something that was ended already."""
        after_down, after_padding = now - self._went_down_at, now - self._padded_at
        if far_short:
            return min(after_down, after_padding) < SETTLE_LEAST_S
        return after_down < SETTLE_S or after_padding < PROBE_SETTLE_S

    def _congested(self, at: _Moment, congestion: Congestion) -> Choice:
        self._end_probe()
        self._congested_at = at.now
        self._room.congested(congestion, at.options[0].needs_bps(at.link), at.now)
        self._quiet_since = None
        self._excess = 0
        return _send(at.current) if at.place == 0 else self._down(at, congestion)

    def _down(self, at: _Moment, congestion: Congestion) -> Choice:
        room = congestion.room_bps * SAFETY - at.link.other_bps
        careful = room * FRESH_SHARE if congestion.fresh else room
        lowest = at.options[0].track
        fitting = [
            option
            for option in at.options[: at.place]
            if option.bitrate_bps <= (careful if option.layers < ALL_LAYERS and option.track != lowest else room)
        ]
        self._relapses.went_down(at.now)
        self._near_misses = NearMisses()
        self._went_down_at = at.now
        self._failures = 0
        self._try_at = max(self._try_at, at.now + TRY_AGAIN_S)
        self._trend.forget_loss(self._trend.own_loss)
        return _send(fitting[-1] if fitting else at.options[0])

    def _note_starving(self, at: _Moment, congestion: Congestion | None) -> None:
        if at.place == 0 and congestion is not None:
            self.starved = True
        elif at.place > 0 or at.now - self._congested_at > STARVED_S:
            self.starved = False

    # ------------------------------------------------------------ up

    def _may_try(self, at: _Moment) -> bool:
        settings = self._settings
        quiet = self._trend.is_quiet(at.link)
        self._quiet_since = (at.now if self._quiet_since is None else self._quiet_since) if quiet else None
        more = at.link.estimate_bps >= at.link.sent_bps + settings.excessive_bandwidth_value
        self._excess = self._excess + 1 if more and settings.excessive_bandwidth_algorithm_enabled else 0
        if at.now < self._try_at or not at.higher:
            return False
        quiet_for = self._quiet_since is not None and at.now - self._quiet_since >= QUIET_S
        return quiet_for or self._excess >= settings.excessive_bandwidth_call_threshold

    def _wanted(self, option: Option, at: _Moment) -> int:
        """What has to fit before the viewer goes up to it."""
        return int(option.needs_bps(at.link) * self._relapses.margin(option.key, at.now))

    def _try(self, at: _Moment) -> Choice:
        """The highest first: a pulse tells how much fits, whatever was hoped for."""
        return self._begin_try(at, self._near_misses.aim_bps(self._wanted(at.options[-1], at), at.now))

    def _begin_try(self, at: _Moment, wanted_bps: int) -> Choice:
        # A moment's burst is not what a link was seen to carry.
        steady = msgspec.structs.replace(at.link, sent_bps=min(at.link.sent_bps, int(self._trend.sent_bps)))
        self._probe = BandwidthProbe(wanted_bps, self._room.sure_bps, steady, self._settings)
        return self._pulse(at, self._probe.order(at.link))

    def _pulse(self, at: _Moment, order: ProbeOrder) -> Choice:
        self._pulse_at = self._padded_at = at.now
        return _send(at.current, order)

    def _take(self, at: _Moment, pulse: Probed | None) -> Choice:
        """What the pulse under way has shown, if it is over."""
        if pulse is None:
            if at.now - self._pulse_at >= LOST_S:
                self._end_probe()
            return _send(at.current)
        self._padded_at = at.now
        return self._judge_loss(at, pulse) if self._probe is None else self._judge(at, self._probe, pulse)

    def _judge_loss(self, at: _Moment, pulse: Probed) -> Choice:
        """More was sent on purpose, to see whether more gets lost."""
        self._end_probe()
        if not more_is_lost(pulse, self._trend):
            self._trend.loss_is_its_own()
            return _send(at.current)
        arrived = int(self._trend.sent_bps * (1 - min(self._trend.loss, 100.0) / 100))
        return self._congested(at, Congestion(arrived))

    def _judge(self, at: _Moment, probe: BandwidthProbe, pulse: Probed) -> Choice:
        verdict = probe.judge(pulse, at.link, self._trend)
        if verdict is Verdict.OPEN:
            return self._pulse(at, probe.order(at.link))
        self._end_probe()
        carried_bps = probe.wanted_bps if verdict is Verdict.FITS else probe.room_bps
        fitting = [option for option in at.higher if self._wanted(option, at) <= carried_bps]
        if verdict is Verdict.FITS and fitting:
            return self._up(at, fitting[-1], probe)
        self._room.fell_short(probe.room_bps)
        self._relapses.found_room(probe.room_bps)
        wanted_bps = self._wanted(fitting[-1], at) if fitting else probe.wanted_bps
        hopeless = self._near_misses.is_hopeless(wanted_bps, probe.room_bps, at.now)
        if wanted_bps < probe.wanted_bps and not hopeless:
            return self._begin_try(at, wanted_bps)
        self._near_misses.failed(probe, at.now)
        self._wait(probe, at.now)
        return Choice(at.current.track, at.current.layers, tried=Verdict.FAILED)

    def _wait(self, probe: BandwidthProbe, now: float) -> None:
        settings = self._settings
        wait_s = min(MOST_WAIT_S, TRY_AGAIN_S * WAIT_GROWTH**self._failures)
        self._failures += 1
        if settings.excessive_bandwidth_algorithm_enabled:
            rests = self._failures % settings.excessive_bandwidth_try_count_before_switchback == 0
            wait_s = REST_S if rests else TRY_AGAIN_S
        paid_s = probe.sent_bits / (PADDING_SHARE * max(1, probe.room_bps))
        self._try_at = now + max(wait_s, min(MOST_PAID_S, paid_s))

    def _up(self, at: _Moment, target: Option, probe: BandwidthProbe) -> Choice:
        self._room.proven(probe.wanted_bps)
        self._near_misses = NearMisses()
        self._failures = 0
        self._quiet_since = None
        self._excess = 0
        self._relapses.went_up(target.key, target.needs_bps(at.link), at.now)
        return Choice(target.track, target.layers, tried=Verdict.FITS)

    def _end_probe(self) -> None:
        self._probe, self._tests_loss = None, False


def _send(option: Option, probe: ProbeOrder | None = None) -> Choice:
    return Choice(option.track, option.layers, probe)


def _far_short(congestion: Congestion, at: _Moment) -> bool:
    return congestion.room_bps < at.current.needs_bps(at.link) * VERY_SHORT
