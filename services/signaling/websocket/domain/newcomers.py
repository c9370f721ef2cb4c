"""Whether one more socket of an address is let in: they come not too often, and are not too many."""

from __future__ import annotations

from enum import Enum

import msgspec

from services.signaling.core.domain.client_rate import ClientRate

FULL_RETRY_S = 5.0
SHARED_COST = 0.1
"""Of a socket of a client that shares its limits with many others: they may have ten times as many together."""


class TurnedAway(Enum):
    """Why a socket is refused. The label of the metric."""

    SOCKET = "socket"
    """The address has opened too many in too short a time."""
    OPEN_SOCKETS = "open_sockets"
    """The address has as many as it may have."""


class Refusal(msgspec.Struct, frozen=True):
    """What a client that is turned away is told."""

    why: TurnedAway
    retry_after_s: float


class Newcomers:
    """One per signaling instance. Counts by the client's own address, also behind a proxy, whose connections the
    listener does not count."""

    def __init__(self, rate: ClientRate, most_open: int) -> None:
        """`most_open`: of one address at one time."""
        self._rate = rate
        self._most_open = most_open
        self._open: dict[str, int] = {}

    def enter(self, client: str, now: float, *, shared: bool = False) -> Refusal | None:
        """A socket comes. `client`, `shared`: as `Client.counted_as` and `Client.shared`; one without a name has no
        limit. `now`: monotonic seconds. Unless it is refused, `leave` is to be called when it is gone."""
        if not client:
            return None
        cost, taken = SHARED_COST if shared else 1.0, self._open.get(client, 0)
        if taken * cost >= self._most_open:
            return Refusal(TurnedAway.OPEN_SOCKETS, FULL_RETRY_S)
        wait_s = self._rate.take(client, now, cost)
        if wait_s > 0:
            return Refusal(TurnedAway.SOCKET, wait_s)
        self._open[client] = taken + 1
        return None

    def leave(self, client: str) -> None:
        """A socket that was let in is gone."""
        if not client:
            return
        left = self._open[client] - 1
        if left:
            self._open[client] = left
        else:
            del self._open[client]
