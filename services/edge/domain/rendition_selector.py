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
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.bandwidth_probe import STOP, BandwidthProbe, ProbeOrder, Verdict
from services.edge.domain.congestion_control import VERY_SHORT, Congestion, CongestionDetector, LinkFigures

SAFETY = 0.95
"""The share of a full link's room that a rendition may need. It is high because REMB itself is cautious."""
FRESH_SHARE = 0.6
"""The share of a room that was just seen to shrink that fewer frames of a rendition may need. To find that it was not
enough costs more than a smaller picture. The lowest rendition is exempt."""
SETTLE_S = 1.5
"""For so long after going down, signs of congestion are those of what was sent before."""
SETTLE_LEAST_S = 0.7
"""The same when even what is sent since is far too much."""
QUIET_S = 3.0
"""How long a link must have been quiet before it is tried."""
TRY_AGAIN_S = 3.0
"""How long to wait after going down or after a failed try. The time doubles with every failure in a row."""
MOST_PATIENCE_S = 16.0
"""The longest time that a link has to be quiet, after many tries in vain."""
PROVEN_S = 15.0
"""Going down so soon after going up is a relapse, which viewers see."""
RELAPSE_S = 16.0
"""How long the next try waits after a relapse. The time doubles with every further one in a row."""
MOST_RELAPSE_S = 64.0
"""The longest wait after a relapse."""
BLIND_QUIET_S = 12.0
"""How long a link must have been quiet to go up without a probe, where none can be sent."""
PROBE_SETTLE_S = 2.5
"""For so long after a failed try, signs of congestion are those of the padding."""
STARVED_S = 5.0
"""How long the lowest rendition counts as too much after the last sign of it."""


class Option(msgspec.Struct, frozen=True):
    """A rendition that could be sent."""

    track: TrackId
    height: int
    bitrate_bps: int
    """The measured bit rate; 0 while it is not known."""
    layers: int = ALL_LAYERS
    """The highest temporal layer, as in `LimitLayers`."""


class Choice(msgspec.Struct, frozen=True):
    """What a viewer is to be sent now, as the selector decides."""

    track: TrackId | None
    """The rendition to send; None if there were no options."""
    layers: int = ALL_LAYERS
    """The highest temporal layer that is sent of it, as in `LimitLayers`."""
    probe: ProbeOrder | None = None
    """A probe that replaces the one ordered before; None leaves that one."""


class RenditionSelector:
    """The state of one viewer's video. Ask whenever there are new figures, at least once a second."""

    def __init__(self, settings: AbrSettings | None = None, *, can_probe: bool = True) -> None:
        """`can_probe`: the track has RTX, and no other track of the viewer is chosen for."""
        self._settings = settings or AbrSettings()
        self._can_probe = can_probe
        self.forced_height = 0
        """The height in pixels that the viewer asked for; 0 = automatic."""
        self._trend = CongestionDetector(self._settings)
        self._probing: BandwidthProbe | None = None
        self._quiet_since: float | None = None
        self._excess = 0
        self._went_up_at = -math.inf
        self._went_down_at = -math.inf
        self._try_at = -math.inf
        self._failures = self._relapses = 0
        self._proven_bps = 0
        self._padded_at = -math.inf
        self._congested_at = -math.inf
        self.starved = False
        """Whether not even the lowest rendition fits. It is sent nevertheless."""

    def choose(
        self,
        options: Sequence[Option],
        current: TrackId | None,
        link: LinkFigures,
        now: float,
        *,
        layers: int = ALL_LAYERS,
        switching: bool = False,
    ) -> Choice:
        """What to send from now on. `options` of one codec, lowest first; `layers` of `current` are sent. `switching`:
        `current` is on its way and something else is still sent."""
        place = _place(options, current, layers)
        congestion = self._observe(_needs(options[place], link) if place is not None else 0, link, now)
        if not options:
            return Choice(None, probe=self._stop())
        if self.forced_height:
            return _send(nearest(options, self.forced_height), self._stop())
        if place is None:
            budget = max(1, link.estimate_bps - link.other_bps) if link.estimate_bps else 0
            return Choice(first_choice(options, budget), probe=self._stop())
        self._note_starving(place, congestion, now)
        return self._follow(options, place, congestion, link, now, switching=switching)

    def _observe(self, needs_bps: int, link: LinkFigures, now: float) -> Congestion | None:
        if self._settling(now):
            link = msgspec.structs.replace(link, fraction_lost=min(link.fraction_lost, self._trend.loss / 100))
        congestion = self._trend.observe(link, needs_bps, now)
        if congestion is not None:
            self._congested_at = now
            self._proven_bps = 0
        return congestion

    def _settling(self, now: float, *, far_short: bool = False) -> bool:
        """Whether what is seen comes of something that was ended already."""
        after_down, after_padding = now - self._went_down_at, now - self._padded_at
        if far_short:
            return min(after_down, after_padding) < SETTLE_LEAST_S
        return after_down < SETTLE_S or after_padding < PROBE_SETTLE_S

    def _stay(self, options: Sequence[Option], place: int) -> Choice:
        self._quiet_since = None
        self._excess = 0
        return _send(options[place])

    def _follow(
        self,
        options: Sequence[Option],
        place: int,
        congestion: Congestion | None,
        link: LinkFigures,
        now: float,
        *,
        switching: bool,
    ) -> Choice:
        needs = _needs(options[place], link)
        if self._probing is not None:
            return self._go_on(options, place, self._probing, link, now)
        if congestion is not None:
            settled = place > 0 and not self._settling(now, far_short=0 < congestion.room_bps < needs * VERY_SHORT)
            return self._down(options, place, congestion, link, now) if settled else self._stay(options, place)
        if not switching and place + 1 < len(options) and self._may_try(needs, link, now):
            return self._try(options, place, link, now)
        return _send(options[place])

    def force(self, height: int) -> None:
        """The viewer chose this height in pixels; 0 = automatic again."""
        self.forced_height = height
        self._trend.forget_estimate()
        self._quiet_since = None

    def room_bps(self, link: LinkFigures, now: float) -> int:
        """What the link is known to carry: the estimate, or more if more was seen to go through."""
        passes = link.sent_bps if now - self._congested_at > STARVED_S else 0
        return max(link.estimate_bps, self._proven_bps, passes)

    # ------------------------------------------------------------ down

    def _down(
        self, options: Sequence[Option], place: int, congestion: Congestion, link: LinkFigures, now: float
    ) -> Choice:
        room = congestion.room_bps * SAFETY - link.other_bps
        careful = room * FRESH_SHARE if congestion.fresh else room
        lowest = options[0].track
        fitting = [
            option
            for option in options[:place]
            if option.bitrate_bps <= (careful if option.layers < ALL_LAYERS and option.track != lowest else room)
        ]
        lower = options[place - 1] if not congestion.room_bps else fitting[-1] if fitting else options[0]
        wait_s = TRY_AGAIN_S
        if now - self._went_up_at < PROVEN_S:
            wait_s = min(MOST_RELAPSE_S, RELAPSE_S * 2.0**self._relapses)
            self._relapses += 1
        self._try_at = max(self._try_at, now + wait_s)
        self._went_down_at, self._went_up_at = now, -math.inf
        self._trend.forget_loss(self._trend.own_loss)
        self._quiet_since = None
        self._excess = 0
        return _send(lower)

    def _failed(self, now: float) -> None:
        settings = self._settings
        self._failures += 1
        patience = min(MOST_PATIENCE_S, TRY_AGAIN_S * 2.0**self._failures)
        tries = settings.excessive_bandwidth_try_count_before_switchback
        if settings.excessive_bandwidth_algorithm_enabled:
            patience = TRY_AGAIN_S if self._failures % tries else MOST_PATIENCE_S
        self._try_at = now + patience

    def _stop(self) -> ProbeOrder | None:
        """End the probe that is under way."""
        running, self._probing = self._probing, None
        return STOP if running is not None else None

    def _note_starving(self, place: int, congestion: Congestion | None, now: float) -> None:
        if place == 0 and congestion is not None:
            self.starved = True
        elif place > 0 or now - self._congested_at > STARVED_S:
            self.starved = False

    # ------------------------------------------------------------ up

    def _may_try(self, needs_bps: int, link: LinkFigures, now: float) -> bool:
        settings = self._settings
        if math.isfinite(self._went_up_at) and now - self._went_up_at > PROVEN_S:
            self._failures, self._relapses, self._went_up_at = 0, 0, -math.inf
        carried = not 0 < link.estimate_bps < needs_bps * SAFETY or now - self._congested_at > STARVED_S
        quiet = self._trend.is_quiet(link) and carried
        self._quiet_since = (now if self._quiet_since is None else self._quiet_since) if quiet else None
        more = link.estimate_bps >= link.sent_bps + settings.excessive_bandwidth_value
        self._excess = self._excess + 1 if more and settings.excessive_bandwidth_algorithm_enabled else 0
        if now < self._try_at:
            return False
        quiet_s = now - self._quiet_since if self._quiet_since is not None else 0.0
        enough = quiet_s >= (QUIET_S if self._can_probe else BLIND_QUIET_S)
        return enough or self._excess >= settings.excessive_bandwidth_call_threshold

    def _try(self, options: Sequence[Option], place: int, link: LinkFigures, now: float) -> Choice:
        target = _next_up(options, place, link)
        if not self._can_probe:
            return self._up(target, now)
        self._probing = BandwidthProbe(_needs(target, link), link, self._trend, self._settings, now)
        return _send(options[place], self._probing.order())

    def _go_on(
        self, options: Sequence[Option], place: int, probing: BandwidthProbe, link: LinkFigures, now: float
    ) -> Choice:
        verdict, order = probing.judge(link, self._trend, now)
        if verdict is Verdict.OPEN:
            return _send(options[place], order)
        self._probing = None
        if verdict is Verdict.FAILED:
            self._failed(now)
            self._quiet_since = None
            self._padded_at = now
            self._trend.forget_loss(probing.loss_before)
            return _send(options[place], order)
        fitting = [o for o in options[place + 1 :] if _needs(o, link) <= probing.tried_bps]
        if not fitting:
            return _send(options[place], order)
        self._proven_bps = probing.wanted_bps
        return msgspec.structs.replace(self._up(fitting[-1], now), probe=order)

    def _up(self, target: Option, now: float) -> Choice:
        self._went_up_at = now
        self._quiet_since = None
        self._excess = 0
        return _send(target)


def _send(option: Option, probe: ProbeOrder | None = None) -> Choice:
    return Choice(option.track, option.layers, probe)


def _place(options: Sequence[Option], current: TrackId | None, layers: int) -> int | None:
    """Of what is sent; the layers may have vanished since."""
    same = [i for i, option in enumerate(options) if option.track == current]
    return next((i for i in same if options[i].layers == layers), same[-1] if same else None)


def _whole(options: Sequence[Option]) -> list[Option]:
    return [option for option in options if option.layers >= ALL_LAYERS]


def _needs(option: Option, link: LinkFigures) -> int:
    """What would be sent in all; a rate nobody has measured yet is taken for what is sent now."""
    return option.bitrate_bps + link.other_bps if option.bitrate_bps else link.sent_bps


def _next_up(options: Sequence[Option], place: int, link: LinkFigures) -> Option:
    """The highest that the estimate covers already, else the next."""
    covered = [o for o in options[place + 1 :] if o.bitrate_bps and _needs(o, link) <= link.estimate_bps * SAFETY]
    return covered[-1] if covered else options[place + 1]


def first_choice(options: Sequence[Option], budget_bps: int) -> TrackId:
    """The highest that fits a budget, else the lowest; an unknown bitrate fits, budget 0 is unknown: the highest."""
    fitting = [o for o in _whole(options) if not budget_bps or o.bitrate_bps <= budget_bps]
    return (fitting[-1] if fitting else options[0]).track


def nearest(options: Sequence[Option], height: int) -> Option:
    """The rendition of this height, else the highest below it, else the lowest."""
    whole = _whole(options)
    below = [o for o in whole if o.height <= height]
    return below[-1] if below else whole[0]
