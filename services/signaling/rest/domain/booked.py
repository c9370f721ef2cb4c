"""A node and what is known of its life."""

from __future__ import annotations

import msgspec

from rillcast.contracts.messages import NodeReport


class BookedNode(msgspec.Struct, frozen=True, kw_only=True):
    """Any node that has been heard of lately."""

    report: NodeReport
    """What it has said in its last heartbeat."""
    heard_ms: int
    """When it was heard last, in Unix milliseconds."""
    alive: bool
