"""The renditions that a viewer can be sent, in the form in which they are chosen from. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.media.protocol import ALL_LAYERS
from services.edge.domain.congestion_control import LinkFigures

UNKNOWN_BPS = 2_500_000
"""What a rendition whose rate nobody has measured yet is taken for at the start."""


class Option(msgspec.Struct, frozen=True):
    """A rendition that could be sent."""

    track: TrackId
    height: int
    bitrate_bps: int
    """The measured bit rate; 0 while it is not known."""
    layers: int = ALL_LAYERS
    """The highest temporal layer, as in `LimitLayers`."""

    @property
    def key(self) -> tuple[str, int]:
        """What no other option of the stream has."""
        return self.track, self.layers

    def needs_bps(self, link: LinkFigures) -> int:
        """What would be sent in all; a rate nobody has measured yet is taken for what is sent now."""
        return self.bitrate_bps + link.other_bps if self.bitrate_bps else link.sent_bps


def place_of(options: Sequence[Option], track: TrackId | None, layers: int) -> int | None:
    """The place of what is sent; the layers may have vanished since."""
    same = [i for i, option in enumerate(options) if option.track == track]
    return next((i for i in same if options[i].layers == layers), same[-1] if same else None)


def whole(options: Sequence[Option]) -> list[Option]:
    """Those with all temporal layers."""
    return [option for option in options if option.layers >= ALL_LAYERS]


def first_choice(options: Sequence[Option], budget_bps: int) -> TrackId:
    """The highest that fits a budget, else the lowest. Budget 0: there is none, the highest."""
    fitting = [o for o in whole(options) if not budget_bps or (o.bitrate_bps or UNKNOWN_BPS) <= budget_bps]
    return (fitting[-1] if fitting else options[0]).track


def nearest(options: Sequence[Option], height: int) -> Option:
    """The rendition of this height, else the highest below it, else the lowest."""
    complete = whole(options)
    below = [o for o in complete if o.height <= height]
    return below[-1] if below else complete[0]
