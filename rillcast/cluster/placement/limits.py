"""Where the policies draw their lines."""

from __future__ import annotations

import msgspec


class PlacementLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of a node's own limit."""

    full: float = 1.0
    """A node that is as full as this gets no new session."""
    near_idle: float = 0.25
    """While nodes are less full than this, sessions are spread evenly: relays are cheap then."""
    carrier_full: float = 0.85
    """A node that is as full as this is no longer preferred for having the stream already."""
