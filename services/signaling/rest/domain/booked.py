"""A node and what is known of its life."""

from __future__ import annotations

import msgspec

from rillcast.contracts.messages import NodeReport


class BookedNode(msgspec.Struct, frozen=True, kw_only=True):
    """One of the list."""

    report: NodeReport
    """The last one."""
    heard_ms: int
    """When it was heard last, in Unix milliseconds."""
    alive: bool
