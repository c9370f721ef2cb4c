"""The streams of one join: which play requests are possible, what a client may take of each stream, and the renditions
with which its session begins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.messages import PlaySubscription
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind
from rillcast.media.sdp import PlayNegotiation, PlayOffer, SentStream
from rillcast.media.sdp.codecs import in_words
from services.edge.domain.options import first_choice, nearest
from services.edge.domain.subscription import Subscription
from services.edge.domain.supply import StreamSupply, Supplies, tracks_to_come

MAX_SUBSCRIPTIONS = 8
"""The streams of one session; more are refused."""


class Part(NamedTuple):
    """One stream of a join."""

    subscription: Subscription
    wanted: PlaySubscription
    live: LiveStream


class First(NamedTuple):
    """A rendition with which a session begins."""

    live: LiveStream
    """The stream that it is one of: the one that was asked for, or its backup."""
    supply: TrackSupply
    is_a_choice: bool = False
    """Whether something smaller is there as well, and the viewer has not chosen."""


def require_possible(wanted: Sequence[PlaySubscription]) -> None:
    """Raises BAD_REQUEST for a session that cannot be."""
    if not wanted:
        raise RillcastError(ErrorCode.BAD_REQUEST, "subscriptions: this edge cannot serve a session without a stream")
    if len(wanted) > MAX_SUBSCRIPTIONS:
        raise RillcastError(ErrorCode.BAD_REQUEST, f"a session has {MAX_SUBSCRIPTIONS} streams at most")
    if len({one.stream for one in wanted}) < len(wanted):
        raise RillcastError(ErrorCode.BAD_REQUEST, "a session has each stream id once")


def not_live() -> RillcastError:
    """The refusal for a stream that is not there, or has nothing of what is wanted."""
    return RillcastError(ErrorCode.NO_STREAM_EXIST, "the stream is not live")


def sent(part: Part) -> SentStream:
    """What the client may take of a stream. Raises NO_STREAM_EXIST when there is nothing of it, and NO_COMMON_CODEC
    when its video is in no codec that is switched on."""
    _, wanted, live = part
    tracks = [supply.track for supply in live.supplies()]
    if tracks:
        tracks += tracks_to_come(live, wanted.codecs_to_come)
    if wanted.mids:
        tracks = [track for track in tracks if track.mid in wanted.mids]
    if not tracks:
        raise not_live()
    return SentStream(wanted.stream, _switched_on(tracks, wanted.codecs_off))


def _switched_on(tracks: Sequence[TrackRecord], off: Collection[str]) -> Sequence[TrackRecord]:
    """The tracks without videos in codecs that are `off`. Raises NO_COMMON_CODEC when no video is left."""
    videos = [track for track in tracks if track.kind is MediaKind.VIDEO]
    if not any(track.codec in off for track in videos):
        return tracks
    if all(track.codec in off for track in videos):
        codecs = ", ".join(dict.fromkeys(in_words(track.codec, track.fmtp) for track in videos))
        text = f"no common codec: the stream has its video in {codecs}, which is switched off in this app"
        raise RillcastError(ErrorCode.NO_COMMON_CODEC, text)
    return [track for track in tracks if track.kind is not MediaKind.VIDEO or track.codec not in off]


class FirstRenditions:
    """Chooses the renditions with which a session begins, before anything is known of the viewer's link."""

    def __init__(self, supplies: Supplies, budget_bps: int) -> None:
        """`budget_bps`: what all videos of a session may take at first, each stream its share; 0 = no bound."""
        self._supplies = supplies
        self._budget_bps = budget_bps

    def probable(self, offer: PlayOffer, parts: Sequence[Part]) -> list[tuple[Part, First]]:
        """What the client will probably take of our offer: the first codec of every line, as far as somebody makes it
        already."""
        share_bps = self._budget_bps // len(parts)
        found = (
            (part, _first(self._supplies.of(part.live), line.group, payload.codec, 0, share_bps))
            for line in offer.lines
            for part in (parts[line.subscription],)
            for payload in line.payloads[:1]
        )
        return [(part, first) for part, first in found if first is not None]

    def agreed(
        self, parts: Sequence[Part], negotiation: PlayNegotiation, known_bps: int = 0
    ) -> list[tuple[Part, dict[str, First]]]:
        """What was agreed on with the client, by stream and group. `known_bps`: what the link is known to take; 0 =
        nothing is known. Raises NO_COMMON_CODEC when the stream does not have it any more."""
        share_bps = min(self._budget_bps or known_bps, known_bps or self._budget_bps) // len(parts)
        return [(part, _all_first(part, self._supplies.of(part.live), negotiation, share_bps)) for part in parts]


def _all_first(part: Part, supply: StreamSupply, negotiation: PlayNegotiation, budget_bps: int) -> dict[str, First]:
    found: dict[str, First] = {}
    height = part.subscription.wishes.height
    for group, codec in negotiation.codecs(part.subscription.place).items():
        first = _first(supply, group, codec, height, budget_bps)
        if first is None:
            raise RillcastError(ErrorCode.NO_COMMON_CODEC, "the stream changed its codec during the join", 1.0)
        found[group] = first
    return found


def _first(supply: StreamSupply, group: str, codec: str, height: int, budget_bps: int) -> First | None:
    """`height`: what the viewer chose, in pixels; 0 = automatic. `budget_bps`: 0 = no bound."""
    found = supply.of(group, codec)
    if not found.options:
        return None
    chosen = nearest(found.options, height).track if height else first_choice(found.options, budget_bps)
    return First(found.live, found.of(chosen), not height and chosen != found.options[0].track)
