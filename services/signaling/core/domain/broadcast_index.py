"""The broadcasts of one app in the orders in which clients ask for them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import StreamId

ORDERS = ("streamId", "name", "date", "status")
Row = tuple[Any, StreamId]
"""By what a broadcast is sorted, and its id. Rows are compared without any Python."""
SORTED_ANEW = 1_000
"""With more broadcasts than this that have no record, a list is sorted anew and they are not put into their places."""


class Listed(msgspec.Struct, frozen=True):
    """What of a broadcast lists go by."""

    stream: StreamId
    name: str = ""
    date: int = 0
    type: str = "liveStream"
    status: str = ""

    @classmethod
    def of(cls, record: KeptBroadcast) -> Listed:
        """Those of a record."""
        stream, status = StreamId(record.stream_id), record.status or "created"
        return cls(stream, record.name or "", record.date, record.type or "", status)

    @property
    def words(self) -> str:
        """What is searched, in lower case."""
        return f"{self.stream}\0{self.name}".lower()

    def row(self, sort_by: str) -> Row:
        """Its place in one of the `ORDERS`."""
        return ("" if sort_by == "streamId" else getattr(self, sort_by)), self.stream


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which broadcasts a client asks for, and in which order. Unknown words count as none."""

    search: str = ""
    """A part of their id or of their name; capitals do not matter."""
    type_by: str = ""
    sort_by: str = ""
    order_by: str = ""


class Ids(Sequence[StreamId]):
    """The ids of some rows, in their order, without a list of them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[StreamId]:
        return (stream for _, stream in self._rows)

    @overload
    def __getitem__(self, at: int) -> StreamId: ...

    @overload
    def __getitem__(self, at: slice) -> list[StreamId]: ...

    def __getitem__(self, at: int | slice) -> StreamId | list[StreamId]:
        if isinstance(at, slice):
            return [stream for _, stream in self._rows[at]]
        return self._rows[at][1]


def _merged(order: list[Row], rows: list[Row]) -> list[Row]:
    """Rows in their order, with some more, which may be in any. The first list is used up."""
    if len(rows) > SORTED_ANEW:
        return sorted([*order, *rows])
    for row in rows:
        insort(order, row)
    return order


class BroadcastIndex:
    """As large as what it lists. A change costs some tens of microseconds at 50,000 broadcasts, a search
    some milliseconds, and a list without one nearly nothing."""

    def __init__(self) -> None:
        self._listed: dict[StreamId, Listed] = {}
        self._words: dict[StreamId, str] = {}
        self._orders: dict[str, list[Row]] = {}
        self._main: dict[StreamId, str] = {}
        self._subtracks: dict[str, dict[StreamId, None]] = {}

    def __len__(self) -> int:
        return len(self._listed)

    def put(self, record: KeptBroadcast) -> None:
        """Take a broadcast in, in place of what was known of it."""
        stream = StreamId(record.stream_id)
        listed, before = Listed.of(record), self._listed.get(stream)
        if before != listed:
            if before is not None:
                self._take_out(before)
            self._listed[stream] = listed
            self._words[stream] = listed.words
            for sort_by, order in self._orders.items():
                insort(order, listed.row(sort_by))
        self._attach(stream, record.main_track_stream_id or "")

    def drop(self, stream: StreamId) -> None:
        """Forget a broadcast; one that is unknown was forgotten before."""
        before = self._listed.get(stream)
        if before is not None:
            self._take_out(before)
            del self._listed[stream]
            del self._words[stream]
            self._attach(stream, "")

    def streams(
        self, wanted: Wanted, others: Iterable[Listed] = (), seen: Mapping[StreamId, str] | None = None
    ) -> Sequence[StreamId]:
        """The ids of those that are wanted, in their order; to be read before anything changes. `others`: what is to be
        listed too and has no record. `seen`: statuses that count in place of those that were set."""
        more = {one.stream: one for one in others if one.stream not in self._listed}
        sort_by = wanted.sort_by if wanted.sort_by in ORDERS else "streamId"
        if wanted.search.strip():
            rows = self._ordered(self._searched(wanted.search.lower(), more.values()), sort_by, more)
        else:
            rows = self._with(more, sort_by)
        if wanted.type_by:
            known = self._listed
            rows = [row for row in rows if (known.get(row[1]) or more[row[1]]).type == wanted.type_by]
        if seen and sort_by == "status":
            moved = [(seen[stream], stream) for _, stream in rows if stream in seen]
            rows = _merged([row for row in rows if row[1] not in seen], moved)
        return Ids(rows[::-1] if wanted.order_by == "desc" else rows)

    def _searched(self, search: str, more: Iterable[Listed]) -> set[StreamId]:
        """Those that have it, in no order: to walk along the words is several times as fast as to jump among them."""
        found = {stream for stream, words in self._words.items() if search in words}
        found.update(one.stream for one in more if search in one.words)
        return found

    def _ordered(self, found: set[StreamId], sort_by: str, more: dict[StreamId, Listed]) -> list[Row]:
        if len(found) * 8 < len(self._listed):
            return sorted((self._listed.get(stream) or more[stream]).row(sort_by) for stream in found)
        return [row for row in self._with(more, sort_by) if row[1] in found]

    def _order(self, sort_by: str) -> list[Row]:
        """All of them. Sorted when it is first asked for, so that a start with many is quick; then it is kept."""
        order = self._orders.get(sort_by)
        if order is None:
            order = self._orders[sort_by] = sorted(one.row(sort_by) for one in self._listed.values())
        return order

    def _with(self, more: dict[StreamId, Listed], sort_by: str) -> list[Row]:
        """All, and those that have no record."""
        if not more:
            return self._order(sort_by)
        return _merged(self._order(sort_by).copy(), [one.row(sort_by) for one in more.values()])

    def of_status(self, *statuses: str) -> Iterator[StreamId]:
        """The broadcasts for which one of these was set; to be read before anything changes."""
        order = self._order("status")
        for status in statuses:
            for at in range(bisect_left(order, (status, "")), len(order)):
                if order[at][0] != status:
                    break
                yield order[at][1]

    def subtracks(self, main: str) -> Iterator[StreamId]:
        """The broadcasts that belong to a main track, which need not exist, in no order."""
        return iter(tuple(self._subtracks.get(main, ())))

    def _take_out(self, listed: Listed) -> None:
        for sort_by, order in self._orders.items():
            del order[bisect_left(order, listed.row(sort_by))]

    def _attach(self, stream: StreamId, main: str) -> None:
        before = self._main.pop(stream, "")
        if before:
            self._subtracks[before].pop(stream, None)
            if not self._subtracks[before]:
                del self._subtracks[before]
        if main:
            self._main[stream] = main
            self._subtracks.setdefault(main, {})[stream] = None
