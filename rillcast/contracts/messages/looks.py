"""Looking closely at one stream at one edge: from signaling, while an operator looks."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.fields import BitsPerSecond, Codec, Count, DurationMs, DurationS, Lines, Share, Word
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, NodeId, StreamId, TrackId

MOST_FEEDS = 64
MOST_LOOKED_AT = 100


class LookRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which viewers of a stream are to be shown."""

    app: AppName
    stream: StreamId
    mark: Word = ""
    """The `ids.session_mark` of one viewer; empty: those with the worst troubles."""
    most: Annotated[int, msgspec.Meta(ge=0, le=MOST_LOOKED_AT)] = 50
    """How many of them."""


class FeedLook(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition of the stream as it comes to this edge."""

    track: TrackId
    codec: Codec
    parent: NodeId | None
    """Who feeds it; null while nobody does."""
    level: Count = 0
    """How many relays it is from the owner of the track."""
    flows: bool = False
    viewers: Count = 0
    """How many uses there are here."""
    bitrate_bps: BitsPerSecond = 0
    packets: Count = 0
    lost: Count = 0
    """How many packets never came, although they were asked for again."""
    frames_per_s: Share = 0.0
    height: Lines = 0


class ViewerLook(msgspec.Struct, frozen=True, kw_only=True):
    """One viewer. Nothing here could steer the session."""

    mark: Word
    """The `ids.session_mark` of its session: the same in the journal of events."""
    trouble: Trouble | None = None
    here_s: DurationS = 0.0
    """For how long the session has been at this edge."""
    track: Word = ""
    """The rendition of the video that is sent; empty without video."""
    height: Lines = 0
    sent_bps: BitsPerSecond = 0
    room_bps: BitsPerSecond = 0
    """What the link was found to take; 0 while that is unknown."""
    loss: Share = 0.0
    rtt_ms: DurationMs = 0
    lag_ms: DurationMs = 0
    nacks: Count = 0
    repaired: Count = 0


class LookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the edge knows at this moment."""

    feeds: tuple[FeedLook, ...] = ()
    """At most `MOST_FEEDS`."""
    viewers: tuple[ViewerLook, ...] = ()
    """Those with the worst troubles come first."""
    watching: Count = 0
    """How many viewers the stream has here."""
