"""Whether one more socket of an address is let in: they come not too often, and are not too many."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec

from rillcast.runtime.http.addresses import IpNetwork, counted_as, is_within
from services.signaling.core.domain.client_rate import ClientRate

FULL_RETRY_S = 5.0


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

    def __init__(self, rate: ClientRate, most_open: int, unlimited: Iterable[IpNetwork]) -> None:
        """`most_open`: of one address at one time. Neither limit holds for addresses in `unlimited`."""
        self._rate = rate
        self._most_open = most_open
        self._unlimited = tuple(unlimited)
        self._open: dict[str, int] = {}

    def enter(self, address: str, now: float) -> Refusal | None:
        """A socket comes from `address`, which is empty where it is not known. `now`: monotonic seconds. Unless it is
        refused, `leave` is to be called when it is gone."""
        client = counted_as(address)
        refusal = self._refusal(client, now)
        if refusal is not None and not is_within(address, self._unlimited):
            return refusal
        self._open[client] = self._open.get(client, 0) + 1
        return None

    def leave(self, address: str) -> None:
        """A socket that was let in is gone."""
        client = counted_as(address)
        left = self._open[client] - 1
        if left:
            self._open[client] = left
        else:
            del self._open[client]

    def _refusal(self, client: str, now: float) -> Refusal | None:
        if self._open.get(client, 0) >= self._most_open:
            return Refusal(TurnedAway.OPEN_SOCKETS, FULL_RETRY_S)
        wait_s = self._rate.take(client, now)
        return Refusal(TurnedAway.SOCKET, wait_s) if wait_s > 0 else None
