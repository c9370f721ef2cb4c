"""The connections that one listener has: how many there are, from where, and which of them nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from rillcast.runtime.http.addresses import IpNetwork, counted_as, is_within

GiveWay = Callable[[], None]
UNFINISHED_BYTES = 64 * 1024 * 1024
"""Of one listener: what its clients may have begun to send and not ended. It is 6 000 offers of a browser."""


class NoPlace(StrEnum):
    """Why somebody finds no place: labels of ``rillcast_http_connections_refused_total``."""

    FULL = "full"
    ADDRESS_FULL = "address_full"
    """The address has its share, or none of its connections is idle."""


class Place:
    """Of one connection. Whoever holds it says what the connection does, and at its end leaves it, once or more."""

    __slots__ = ("_address", "_held", "_is_limited", "_is_taken", "_places", "give_way", "party")

    def __init__(self, places: Places, address: _Address, give_way: GiveWay, *, limited: bool) -> None:
        self._places = places
        self._address = address
        self._is_taken = True
        self._is_limited = limited
        self._held = 0
        self.give_way = give_way
        self.party: Hashable = address.name if limited else self
        """Who shares the time of the event loop with others: an address, or one connection of those that are exempt
        from limits, since many clients come from there (`Turns`)."""

    def idle(self) -> None:
        """Nothing was asked for on this connection, or everything was answered: it may have to give way."""
        if self._is_taken:
            self._places.idle[self] = self._address.idle[self] = None

    def busy(self) -> None:
        """A request, or a WebSocket, is under way."""
        self._places.idle.pop(self, None)
        self._address.idle.pop(self, None)

    def hold(self, size: int) -> bool:
        """Whether so many bytes may be kept, in all, of what the client has begun to send and has not ended: a head, a
        body, a message. What could not be kept is not counted. Called for each piece that comes."""
        more = size - self._held
        if more > 0 and not self._places.has_room(self._address, more, limited=self._is_limited):
            return False
        if self._is_taken:
            self._held = size
            self._address.held += more
            self._places.held += more
        return True

    def leave(self) -> None:
        """The connection is closed."""
        if self._is_taken:
            self.hold(0)
            self._is_taken = False
            self.give_way = _nothing  # the connection is freed without the garbage collector
            self.busy()
            self._places.release(self._address)


@dataclass(slots=True)
class _Address:
    """What one IPv4 address, or one IPv6 /64, has."""

    name: str
    taken: int = 0
    held: int = 0
    """Bytes, by all of its connections."""
    idle: dict[Place, None] = field(default_factory=dict)
    """The longest idle first."""


class Places:
    """Of one listener. When all are taken, the connection that has been idle for longest gives way to the next one. So
    silent connections keep nobody out: neither those who share their address nor others."""

    def __init__(
        self,
        most: int,
        most_per_address: int | None = None,
        unlimited: Iterable[IpNetwork] = (),
        most_bytes: int = UNFINISHED_BYTES,
    ) -> None:
        """`most_per_address` does not hold for addresses in `unlimited`. `most_bytes`: see `Place.hold`."""
        self._most = most
        self._most_bytes = most_bytes
        self.held = 0
        """Bytes, by all connections."""
        self._most_per_address = most_per_address
        self._unlimited = tuple(unlimited)
        self.left: Callable[[], None] = _nothing
        """Called when a connection has ended."""
        self._taken = 0
        self._addresses: dict[str, _Address] = {}
        self.idle: dict[Place, None] = {}
        """The longest idle first."""

    def take(self, host: str, give_way: GiveWay) -> Place | NoPlace:
        """A place for a connection from `host`, or why there is none. `give_way` closes the connection at once; it is
        called at most once, while the connection is idle."""
        name = counted_as(host)
        address = self._addresses.get(name) or _Address(name)
        limited = not is_within(host, self._unlimited)
        if limited and self._has_its_share(address) and not _make_room(address.idle):
            return NoPlace.ADDRESS_FULL
        if self._taken >= self._most and not _make_room(self.idle):
            return NoPlace.FULL
        self._taken += 1
        address.taken += 1
        self._addresses[name] = address
        place = Place(self, address, give_way, limited=limited)
        place.idle()
        return place

    def release(self, address: _Address) -> None:
        """One connection of `address` less. Called by its place."""
        self._taken -= 1
        address.taken -= 1
        if not address.taken:
            del self._addresses[address.name]
        self.left()

    def has_room(self, address: _Address, more: int, *, limited: bool) -> bool:
        """Whether so many bytes more may be held. One address never has more than it leaves free, so there is room for
        others. Asked by a place."""
        free = self._most_bytes - self.held - more
        return free >= (address.held + more if limited else 0)

    def _has_its_share(self, address: _Address) -> bool:
        return self._most_per_address is not None and address.taken >= self._most_per_address


def _make_room(idle: dict[Place, None]) -> bool:
    place = next(iter(idle), None)
    if place is None:
        return False
    give_way = place.give_way
    place.leave()
    give_way()
    return True


def _nothing() -> None:
    """Nobody wants to know, or a place that was left gives no way any more."""
