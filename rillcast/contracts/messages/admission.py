"""Whether a client may publish or play: from a node that clients reach without signaling, to signaling."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    BitsPerSecond,
    DurationMs,
    Text,
    Word,
)
from rillcast.contracts.ids import AppName
from rillcast.contracts.words import Role


class AdmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """May this client publish or play? Asked by a node that clients reach without signaling."""

    role: Role
    app: AppName
    stream: Text
    """As the client gave it: the answer says whether it is a stream id at all."""
    token: Text = ""
    subscriber_id: Text = ""
    subscriber_code: Text = ""
    client_address: Word = ""
    user_agent: Text = ""


class AdmitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The client may. What the node needs to know of it and of the app; the fields are those of `PublishRequest`."""

    credential_digest: Word
    has_credentials: bool
    max_bitrate_bps: BitsPerSecond
    keyframe_interval_ms: DurationMs
    start_timeout_ms: DurationMs
