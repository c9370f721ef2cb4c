"""What a change of its stream leaves a subscription: the publisher came back in another codec or with other tracks, or
a transcoder gave its renditions up."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from services.edge.domain.subscription import SubscribedTrack
from services.edge.domain.supply import StreamSupply


class Left(Enum):
    """What there still is of a track, or of a whole subscription."""

    ENOUGH = auto()
    """There are renditions that the viewer can be sent. Of a subscription: of at least one track, and the others were
    dropped by the publisher, who may bring them back."""
    AWAITED = auto()
    """Only a ladder makes what this viewer can be sent, and nobody does it at this moment: another transcoder may take
    it on."""
    NOTHING = auto()
    """The publisher dropped the track. Of a subscription: all tracks."""
    ANOTHER_CODEC = auto()
    """The publisher sends it in another codec now, and nobody makes it in the codec agreed on with this viewer."""


_WORST_FIRST = (Left.ANOTHER_CODEC, Left.AWAITED, Left.ENOUGH, Left.NOTHING)


def what_is_left(tracks: Iterable[SubscribedTrack], supply: StreamSupply) -> Left:
    """Of a subscription with these tracks. Call it for each state of the stream that may differ for the viewer: what
    the publisher sent the last time is remembered in the tracks."""
    found = {_left_of(track, supply) for track in tracks}
    return next((left for left in _WORST_FIRST if left in found), Left.NOTHING)


def _left_of(track: SubscribedTrack, supply: StreamSupply) -> Left:
    published = supply.published(track.group)
    if supply.of(track.group, track.codec).options:
        track.published = published or track.published
        return Left.ENOUGH
    if not published:
        return Left.NOTHING
    return Left.AWAITED if published == track.published else Left.ANOTHER_CODEC
