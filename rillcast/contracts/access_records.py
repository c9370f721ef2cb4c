"""What the store has of those who may come in: one-time tokens, subscribers, and the sessions that hold them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rillcast.contracts.fields import BitsPerSecond, Secret, UnixMs, UnixS, Word
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.words import Role, SubscriberType


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One session that has a one-time token, or one of a subscriber's connections."""

    session: SessionId
    instance: NodeId
    """The signaling process that opened the session and says when it is over; with `incarnation`."""
    incarnation: Word
    role: Role
    client: Word
    """A digest of the client's address and agent. It counts only beside the token or code that it shows again."""
    since_ms: UnixMs
    media_node: NodeId | None = None
    """The origin or edge that has the session; null while none does."""


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A one-time token: Ant Media's Token, and who has it."""

    token_id: Word
    app: AppName
    stream: StreamId
    type: Role
    expire_date: UnixS
    """In Unix seconds: the token must be used for the first time before."""
    room_id: Word = ""
    """The room in which a publisher's token is good for every stream; empty = none."""
    hold: Hold | None = None
    """The session that uses it now."""
    used_until_ms: UnixMs = 0
    """It was used, and until then its client may come back; 0 = it was not used."""


class SubscriberRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscriber of one stream: Ant Media's Subscriber, and its connections."""

    app: AppName
    stream: StreamId
    subscriber_id: Word
    subscriber_name: Word | None = None
    b32_secret: Secret = ""
    """The secret of its time-based codes, in base32; empty = they are made with the app's secret."""
    type: SubscriberType | None = None
    """What it may do; null = both."""
    concurrent_connections_limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    totp_expiry_period_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    """The period of its codes; 0 = that of the app."""
    blocked_type: SubscriberType | None = None
    blocked_until_ms: UnixMs = 0
    """Until then it may not do what `blocked_type` says; 0 = it is not blocked."""
    registered: bool = True
    """False for one of which nobody knew before it came with a code of the app's secret. Its record goes with its last
    connection."""
    holds: tuple[Hold, ...] = ()


class ConnectionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A subscriber connected, or was there no more."""

    at_ms: UnixMs
    connected: bool
    role: Role
    session: SessionId
    address: Word = ""
    """The address of the node that had the session; empty when it was not known any more."""


class ConnectionsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one subscriber's connections to one stream: its last changes, and those that are open."""

    app: AppName
    stream: StreamId
    subscriber_id: Word
    changes: tuple[ConnectionChange, ...] = ()
    """The oldest first."""
    open: tuple[Hold, ...] = ()
    video_bps: BitsPerSecond = 0
    """The average bit rate of the video that its last session was sent; 0 before one was measured and over."""
    audio_bps: BitsPerSecond = 0
    """The same for the audio."""
