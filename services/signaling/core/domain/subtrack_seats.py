"""How many subtracks a main track has, decided in its own record by compare-and-set.

That a broadcast belongs to a main track stands in its own record, so two that are attached at once write two keys. Each
of them first takes a seat in the record of the main track, where one comes after the other. It counts as attached from
then on, and gives the seat back when its own record says so.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast, StoredBroadcast, SubtrackSeats
from rillcast.contracts.ids import StreamId

SEAT_MS = 60_000
"""For how long a seat is kept for somebody who does not say what became of it, in milliseconds. The clocks of the
instances may differ by less than what this is longer than `BroadcastStore` takes to write."""


class SubtracksFull(Exception):
    """The main track has as many subtracks as it may have."""

    def __init__(self, main: StreamId, limit: int) -> None:
        super().__init__(f"{main} has as many subtracks as it may have: {limit}")


class NotToldYet(Exception):
    """The bucket has not told this instance of all subtracks that were attached."""

    def __init__(self, upto: int) -> None:
        super().__init__(f"revision {upto}")
        self.upto = upto


def seat_taken(
    main: StoredBroadcast, stream: StreamId, attached: Iterable[StreamId], *, told: int, now_ms: int
) -> StoredBroadcast | None:
    """The record of the main track with a seat for `stream`; None if it needs none. `attached`: its subtracks as far as
    the bucket has told, which is up to the revision `told`. Raises `SubtracksFull` and `NotToldYet`."""
    limit, seats = main.subtracks_limit, main.subtrack_seats
    if limit < 0:
        return None
    if told < seats.upto:
        raise NotToldYet(seats.upto)
    coming = {one: since for one, since in seats.coming.items() if now_ms - since < SEAT_MS}
    if len({*attached, *coming} - {stream}) >= limit:
        raise SubtracksFull(StreamId(main.stream_id), limit)
    return _with(main, SubtrackSeats(coming=coming | {stream: now_ms}, upto=seats.upto))


def seat_left(main: StoredBroadcast, stream: StreamId, written: int) -> StoredBroadcast | None:
    """The record without the seat of `stream`; None if there is none. `written`: the revision with which its own record
    said that it is attached; 0 = it does not."""
    seats = main.subtrack_seats
    if stream not in seats.coming:
        return None
    coming = {one: since for one, since in seats.coming.items() if one != stream}
    return _with(main, SubtrackSeats(coming=coming, upto=max(seats.upto, written)))


def without_upto(main: StoredBroadcast) -> StoredBroadcast:
    """The record that says of no subtrack that it was attached: nobody waits to be told of one."""
    return _with(main, SubtrackSeats(coming=main.subtrack_seats.coming))


def with_seats_of(before: StoredBroadcast | None, record: KeptBroadcast) -> KeptBroadcast:
    """A record that takes the place of another one, and keeps the seats of its subtracks."""
    if before is None or before.subtrack_seats == SubtrackSeats():
        return record
    return _with(msgspec.convert(record, StoredBroadcast, from_attributes=True), before.subtrack_seats)


def _with(main: StoredBroadcast, seats: SubtrackSeats) -> StoredBroadcast:
    return msgspec.structs.replace(main, subtrack_seats=seats)
