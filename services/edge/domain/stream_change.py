"""What a change of its stream leaves a subscription: the publisher came back in another codec or with other tracks, or
a transcoder gave its renditions up."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum, auto

from rillcast.apps.ladder_wish import DECODED
from rillcast.contracts.words import MediaKind
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
    COMING = auto()
    """The publisher sends it in another codec now, and a ladder will soon make it in the one agreed on."""
    NOTHING = auto()
    """The publisher dropped the track. Of a subscription: all tracks."""
    ANOTHER_CODEC = auto()
    """The publisher sends it in another codec now, and nobody makes it in the codec agreed on with this viewer."""


_WORST_FIRST = (Left.ANOTHER_CODEC, Left.COMING, Left.AWAITED, Left.ENOUGH, Left.NOTHING)


def what_is_left(tracks: Iterable[SubscribedTrack], supply: StreamSupply, ladder_codecs: Collection[str] = ()) -> Left:
    """Of a subscription with these tracks. Call it for each state of the stream that may differ for the viewer: what
    the publisher sent the last time is remembered in the tracks. `ladder_codecs`: as in `PlaySubscription`."""
    found = {_left_of(track, supply, ladder_codecs) for track in tracks}
    return next((left for left in _WORST_FIRST if left in found), Left.NOTHING)


def _left_of(track: SubscribedTrack, supply: StreamSupply, ladder_codecs: Collection[str]) -> Left:
    published = supply.published(track.group)
    if supply.of(track.group, track.codec).options:
        track.published = published or track.published
        return Left.ENOUGH
    if not published:
        return Left.NOTHING
    if published == track.published:
        return Left.AWAITED
    made = track.kind is MediaKind.VIDEO and track.codec in ladder_codecs and published in DECODED
    return Left.COMING if made else Left.ANOTHER_CODEC
