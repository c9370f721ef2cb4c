"""Whether a client may publish or play: from a node that clients reach without signaling, to signaling. And whether a
limit leaves room for it: from one signaling instance to the one that counts."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    BitsPerSecond,
    DurationMs,
    Text,
    Word,
)
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.words import Role


class AdmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """May this client publish or play? Asked by a node that clients reach without signaling.

    With a session, what only one may use (a one-time token, a connection of a subscriber, a place under a limit) is
    held for it until `SessionChanged` says that it is closed. A session that is not said to be connected within
    `AdmitAnswer.start_timeout_ms` is ended at its node. The id is new for each request."""

    role: Role
    app: AppName
    stream: Text
    """As the client gave it: the answer says whether it is a stream id at all."""
    token: Text = ""
    subscriber_id: Text = ""
    subscriber_code: Text = ""
    client_address: Word = ""
    user_agent: Text = ""
    session: SessionId | None = None
    """The session that the node is about to open. None = a mere question, for which nothing is used up."""
    node: NodeId | None = None
    """The node that is about to have the session; goes with it."""


class AdmitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The client may. What the node needs to know of it and of the app; the fields are those of `PublishRequest`."""

    credential_digest: Word
    has_credentials: bool
    max_bitrate_bps: BitsPerSecond
    keyframe_interval_ms: DurationMs
    start_timeout_ms: DurationMs
    signaling: NodeId | None = None
    """The signaling instance that is to hear `SessionChanged` of the session. None when no session was named."""


class ReserveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Count a client against the limits of its app and stream. Asked by the instance that lets it in, of the one that
    counts. It is refused when a limit is reached. Otherwise it has a place until `ReservationArrived` or
    `ReservationOver`, until its time to start is over, or until others need the place more."""

    role: Role
    app: AppName
    stream: StreamId
    session: SessionId
    """The session that is about to be opened for it."""
    client: Word = ""
    """Whose share of the places it takes while it has not arrived: an IPv4 address, or an IPv6 /64. Empty =
    nobody's."""


class ReservationArrived(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer has connected, or the media of a publisher has come. From the instance that asked, to the one that
    counts. Refused when it has no place any more and a limit is reached: then the session is to end."""

    role: Role
    app: AppName
    stream: StreamId
    session: SessionId


class ReservationOver(msgspec.Struct, frozen=True, kw_only=True):
    """The client was not let in after all, or has left already. From the instance that asked, to the one that
    counts."""

    session: SessionId
