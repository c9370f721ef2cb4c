"""What happens to streams: from their owners to everybody."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    Count,
)
from rillcast.contracts.ids import AppName, ClaimId, NodeId, StreamId
from rillcast.contracts.words import EndReason


class StreamEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A stream started, was restored or ended."""

    app: AppName
    stream: StreamId
    epoch: Count
    claim: ClaimId
    """With ``epoch``: under which epoch of the stream it happened (`StreamRecord.claim`)."""
    owner: NodeId
    reason: EndReason | None = None
    """Why the stream ended; only with that event."""
