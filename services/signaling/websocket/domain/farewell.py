"""How an instance that goes away spreads its goodbyes over the time it has."""

from __future__ import annotations

import msgspec

MOVES_PER_S = 500.0
"""Clients that are sent elsewhere per second while there is time: so many the other instances and edges take easily."""
TELLING, LEAVING, CLOSING = 0.7, 0.2, 0.05
"""Shares of the time; what remains is for the node's own end."""
LEAVING_S = 2.0
"""A client that was told has left by then, or does not know the notice."""


class Farewell(msgspec.Struct, frozen=True, kw_only=True):
    """First everybody is told, then some time is left to leave, then the rest is closed."""

    telling_s: float
    leaving_s: float
    closing_s: float

    @classmethod
    def of(cls, sockets: int, drain_timeout_s: float) -> Farewell:
        """For so many sockets, to be over within `drain_timeout_s`."""
        return cls(
            telling_s=min(sockets / MOVES_PER_S, TELLING * drain_timeout_s),
            leaving_s=min(LEAVING_S, LEAVING * drain_timeout_s),
            closing_s=min(sockets / MOVES_PER_S, CLOSING * drain_timeout_s),
        )
