"""Which rendition one viewer gets: fast down, slowly up, and a viewer's own choice above all. No I/O, no clock.

The estimate is the receiver's REMB. libwebrtc lets it grow only to about 1.5 times what arrives, so on a low rendition
it says little about a much higher one: an estimate well above what we send, sustained and without loss, counts as room
for trying the next one. A try that fails makes the next one wait longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.contracts.ids import TrackId

DOWN_AT = 0.95
"""Go down when the estimate falls below this share of what the rendition needs …"""
DOWN_LOSS = 0.10
"""… or when this share of packets gets lost,"""
DOWN_AFTER_S = 1.5
"""for this long: two of the once-a-second figures."""
SAFETY = 0.85
"""Share of the estimate that a rendition chosen on the way down may need."""
UP_AT = 1.15
"""Go up when the estimate is this much more than the next rendition needs,"""
UP_AFTER_S = 6.0
"""for this long,"""
TRY_AT = 1.35
"""or when it is this much more than what we send, near the ceiling REMB has on it,"""
TRY_AFTER_S = 12.0
"""for this long,"""
UP_LOSS = 0.02
"""and at most this share of packets gets lost."""
FAILED_WITHIN_S = 15.0
"""Going down so soon after going up was a failed try: the waits double, up to"""
MOST_PATIENCE = 8.0


class Option(msgspec.Struct, frozen=True):
    """A rendition that could be sent."""

    track: TrackId
    height: int
    bitrate_bps: int
    """0 while unknown."""


class LinkFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the viewer's link shows right now."""

    estimate_bps: int
    """0 = the receiver sends none; then only loss counts."""
    fraction_lost: float
    sent_bps: int
    """Video and audio."""
    audio_bps: int = 0


class RenditionChooser:
    """The state of one viewer's video. Ask once a second."""

    def __init__(self) -> None:
        self.forced_height = 0
        """What the viewer asked for; 0 = automatic."""
        self._short_since: float | None = None
        self._room_since: float | None = None
        self._try_since: float | None = None
        self._went_up_at: float | None = None
        self._patience = 1.0

    def choose(
        self, options: Sequence[Option], current: TrackId | None, link: LinkFigures, now: float
    ) -> TrackId | None:
        """What to send from now on; `current` to stay. `options` of one codec, lowest first. None without options."""
        if not options:
            return None
        if self.forced_height:
            return nearest(options, self.forced_height).track
        place = next((i for i, option in enumerate(options) if option.track == current), None)
        if place is None:
            return first_choice(options, link.estimate_bps)
        if self._is_short(options[place], link, now):
            return self._down(options, place, link, now)
        if place + 1 < len(options) and self._has_room(options[place + 1], link, now):
            return self._up(options, place, link, now)
        return current

    def force(self, height: int) -> None:
        """The viewer's own choice; 0 = automatic again."""
        self.forced_height = height
        self._forget_trends()

    def _is_short(self, option: Option, link: LinkFigures, now: float) -> bool:
        needs = option.bitrate_bps + link.audio_bps
        short = link.fraction_lost > DOWN_LOSS or 0 < link.estimate_bps < needs * DOWN_AT
        if not short:
            self._short_since = None
            return False
        if self._short_since is None:
            self._short_since = now
        return now - self._short_since >= DOWN_AFTER_S

    def _down(self, options: Sequence[Option], place: int, link: LinkFigures, now: float) -> TrackId:
        if place == 0:
            return options[0].track
        room = link.estimate_bps * SAFETY - link.audio_bps
        fitting = [o for o in options[:place] if o.bitrate_bps <= room]
        chosen = fitting[-1] if fitting else options[0] if link.estimate_bps else options[place - 1]
        if self._went_up_at is not None and now - self._went_up_at < FAILED_WITHIN_S:
            self._patience = min(MOST_PATIENCE, self._patience * 2)
        self._went_up_at = None
        self._forget_trends()
        return chosen.track

    def _has_room(self, above: Option, link: LinkFigures, now: float) -> bool:
        quiet = link.fraction_lost <= UP_LOSS and link.estimate_bps > 0
        fits = quiet and above.bitrate_bps > 0 and link.estimate_bps >= (above.bitrate_bps + link.audio_bps) * UP_AT
        near_ceiling = quiet and link.sent_bps > 0 and link.estimate_bps >= link.sent_bps * TRY_AT
        self._room_since = (self._room_since if self._room_since is not None else now) if fits else None
        self._try_since = (self._try_since if self._try_since is not None else now) if near_ceiling else None
        return _lasted(self._room_since, UP_AFTER_S * self._patience, now) or _lasted(
            self._try_since, TRY_AFTER_S * self._patience, now
        )

    def _up(self, options: Sequence[Option], place: int, link: LinkFigures, now: float) -> TrackId:
        room = link.estimate_bps / UP_AT - link.audio_bps
        fitting = [o for o in options[place + 2 :] if 0 < o.bitrate_bps <= room]
        chosen = fitting[-1] if fitting else options[place + 1]
        if self._went_up_at is not None and now - self._went_up_at >= FAILED_WITHIN_S:
            self._patience = 1.0
        self._went_up_at = now
        self._forget_trends()
        return chosen.track

    def _forget_trends(self) -> None:
        self._short_since = self._room_since = self._try_since = None


def first_choice(options: Sequence[Option], budget_bps: int) -> TrackId:
    """The highest that fits a budget, else the lowest; an unknown bitrate fits, budget 0 is unknown: the highest."""
    fitting = [o for o in options if not budget_bps or o.bitrate_bps <= budget_bps]
    return (fitting[-1] if fitting else options[0]).track


def nearest(options: Sequence[Option], height: int) -> Option:
    """The rendition of this height, else the highest below it, else the lowest."""
    below = [o for o in options if o.height <= height]
    return below[-1] if below else options[0]


def _lasted(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since >= seconds
