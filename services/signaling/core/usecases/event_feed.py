"""Follows the journal of events: for the history of joins, and for those who listen.

The newest entries stay in memory as they came, once for all listeners. Each listener has a place in the journal and
nothing else, so one that is slow costs no memory. Whose place is before what is in memory is given the entries between
by the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import NoReturn

import msgspec

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import EVENTS_IN_ENTRY, ClusterEvent
from rillcast.runtime.ports import Journal, Noted
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import no_place
from services.signaling.core.domain.session_history import SessionHistory

log = get_logger(__name__)

MOST_ENTRIES = 4_000
"""Entries of the journal in memory."""
MOST_BYTES = 8 * 1024 * 1024
"""How large they may be together."""
MOST_LISTENERS = 50
RETRY_S = 1.0
LATEST_RETRY_S = 30.0
READ_S = 5.0
"""How long the store may be silent while what was missed is read."""
_MANY = 100
"""Entries after which others get their turn."""


class Happened(msgspec.Struct, frozen=True):
    """An event with its place."""

    place: int
    """Of its entry in the journal."""
    part: int
    """Its place in that entry."""
    event: ClusterEvent


class Missed(msgspec.Struct, frozen=True):
    """What came after a place is not all there any more."""

    place: int
    """All up to this entry is passed over."""


class Recent:
    """The newest entries, whose numbers follow each other."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._entries: deque[Noted] = deque()
        self.size = 0
        """Bytes of all entries."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Noted) -> None:
        """The next one; the oldest go when there is no more room."""
        self._entries.append(entry)
        self.size += len(entry.value)
        while len(self._entries) > self._most or (self.size > self._most_bytes and len(self._entries) > 1):
            self.size -= len(self._entries.popleft().value)

    def reach(self, place: int) -> bool:
        """Whether all that came after this entry is here."""
        return bool(self._entries) and self._entries[0].place <= place + 1

    def since(self, place: int) -> list[Noted]:
        """This entry and those after it, as far as they are here, the oldest first."""
        found: list[Noted] = []
        for entry in reversed(self._entries):
            if entry.place < place:
                break
            found.append(entry)
        return found[::-1]


class Listener:
    """Somebody who is told of events from a place on. Made by `EventFeed.listening`."""

    def __init__(self, feed: EventFeed, after: tuple[int, int]) -> None:
        self._feed = feed
        self._after = after
        self._some = asyncio.Event()
        self._over = False

    @property
    def after(self) -> tuple[int, int]:
        """The last event that it knows, by place and part."""
        return self._after

    def wake(self) -> None:
        """There is more. Called by the feed."""
        self._some.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._over = True
        self._some.set()

    async def events(self, pause_s: float) -> AsyncGenerator[list[Happened] | Missed, None]:
        """Events as they come, in lists; an empty one after each pause without any; `Missed` where some are not there
        any more. Ends when the feed does. Raises `RillcastError` when the store does not give what was missed."""
        while not self._over:
            self._some.clear()
            async with aclosing(self._feed.after(self._after)) as entries:
                async for entry in entries:
                    if self._over:
                        return
                    if isinstance(entry, Missed):
                        self._after = (entry.place, EVENTS_IN_ENTRY)
                        yield entry
                        continue
                    found = happened(entry, self._after)
                    self._after = (entry.place, EVENTS_IN_ENTRY)
                    if found:
                        yield found
            try:
                async with asyncio.timeout(pause_s):
                    await self._some.wait()
            except TimeoutError:
                yield []


class EventFeed:
    """One per signaling instance."""

    def __init__(self, journal: Journal, history: SessionHistory) -> None:
        self._journal = journal
        self._history = history
        self._recent = Recent(MOST_ENTRIES, MOST_BYTES)
        self._listeners: set[Listener] = set()
        self._places = SharedPlaces(MOST_LISTENERS)
        self._hearers: list[Callable[[list[Happened]], None]] = []
        self._ended = False
        self._last = 0
        """The number of the newest entry that is known."""
        self._begun = False
        self._why_not = "it has not been looked at yet"

    async def run(self) -> NoReturn:
        """Follow the journal until cancelled."""
        oldest, newest = await self._bounds()
        if oldest > newest:
            self._begin(newest)
        else:
            asyncio.get_running_loop().call_later(READ_S, self._begin, newest)  # what was there may have expired
        many = 0
        async with self._journal.follow(oldest - 1) as entries:
            async for entry in entries:
                self._take(entry)
                if entry.place >= newest:
                    self._begin(newest)
                many += 1
                if many % _MANY == 0:
                    await asyncio.sleep(0)
        raise AssertionError("it ends by being cancelled")

    def on_happened(self, hearer: Callable[[list[Happened]], None]) -> None:
        """Call `hearer` with the events of each entry, also of those that were there before. It must not block."""
        self._hearers.append(hearer)

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def begun(self) -> bool:
        """Whether what has happened was read."""
        return self._begun

    @property
    def newest(self) -> int:
        """The number of the newest entry that is known."""
        return self._last

    @property
    def size(self) -> tuple[int, int]:
        """Entries in memory, and their bytes."""
        return len(self._recent), self._recent.size

    def check_begun(self) -> None:
        """Raises STORE_UNAVAILABLE while what has happened is not known here."""
        if not self.begun:
            raise RillcastError(
                ErrorCode.STORE_UNAVAILABLE, f"what has happened cannot be read yet: {self._why_not}", RETRY_S
            )

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """One of the places of listeners. `client`: who shares them, as `Client.counted_as`. Raises
        HIGH_RESOURCE_USAGE when there is none, NO_NODE_AVAILABLE when this instance goes away, and as `check_begun`."""
        if self._ended:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this instance is going away; ask another one", 1.0)
        self.check_begun()
        if refused := self._places.take(client):
            metrics.PLACES_REFUSED.labels("events", refused).inc()
            raise no_place(f"of {MOST_LISTENERS} places for those who listen to events none is left", refused)
        try:
            yield
        finally:
            self._places.leave(client)

    @contextmanager
    def listening(self, after: tuple[int, int] | None) -> Iterator[Listener]:
        """To be told of events. `after`: the last event that is known already, by place and part; None: only new ones
        are wanted. Whoever listens has a `place`."""
        listener = Listener(self, after or (self._last, EVENTS_IN_ENTRY))
        if self._ended:
            listener.end()
        self._listeners.add(listener)
        metrics.EVENT_LISTENERS.set(len(self._listeners))
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            metrics.EVENT_LISTENERS.set(len(self._listeners))

    async def end(self) -> None:
        """This instance goes away: let everybody go, and nobody in."""
        self._ended = True
        for listener in self._listeners:
            listener.end()

    async def after(self, known: tuple[int, int]) -> AsyncGenerator[Noted | Missed, None]:
        """The entries from a place on that there are at this moment, out of memory, or out of the store where memory
        does not go back so far."""
        place = known[0]
        if place > self._last:  # of another store: nobody gave it out here
            yield Missed(self._last)
            return
        if place < self._last and not self._recent.reach(place):
            until = self._last
            async with aclosing(self._stored(place, until)) as stored:
                async for entry in stored:
                    yield entry
                    place = entry.place
            return
        for entry in self._recent.since(place):
            yield entry

    async def _stored(self, place: int, until: int) -> AsyncGenerator[Noted | Missed, None]:
        async with self._journal.follow(max(0, place - 1)) as entries:
            while place < until:
                entry = await _soon(entries)
                if entry is None:
                    raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store does not give what was missed", RETRY_S)
                if entry.place > place + 1:
                    yield Missed(entry.place - 1)
                yield entry
                place = entry.place

    async def _bounds(self) -> tuple[int, int]:
        """See `Journal.bounds`. Waits until the journal is there."""
        delay_s = RETRY_S
        while True:
            try:
                return await self._journal.bounds()
            except RillcastError as error:
                if error.message != self._why_not:
                    log.warning("The journal of events can't be read yet", reason=error.loggable)
                self._why_not = error.message
                await asyncio.sleep(delay_s)
                delay_s = min(LATEST_RETRY_S, 2 * delay_s)

    def _begin(self, newest: int) -> None:
        if not self._begun:
            self._begun = True
            self._last = max(self._last, newest)

    def _take(self, entry: Noted) -> None:
        self._last = entry.place
        self._recent.add(entry)
        found = happened(entry)
        for one in found:
            self._history.apply(one.event, len(entry.value) // len(found))
        for hearer in self._hearers:
            hearer(found)
        for listener in self._listeners:
            listener.wake()


async def _soon(entries: AsyncIterator[Noted]) -> Noted | None:
    """The next entry; None when none comes. Then no more may be asked for."""
    try:
        async with asyncio.timeout(READ_S):
            return await anext(entries)
    except TimeoutError:
        return None


def happened(entry: Noted, after: tuple[int, int] | None = None) -> list[Happened]:
    """The events of an entry, those after a place. Those that cannot be read are counted, and left out."""
    if after is not None and entry.place < after[0]:
        return []
    first = after[1] + 1 if after is not None and entry.place == after[0] else 0
    if first >= EVENTS_IN_ENTRY:
        return []
    events = _decoded(entry.value)[:EVENTS_IN_ENTRY]
    return [Happened(entry.place, part, event) for part, event in enumerate(events) if event and part >= first]


def _decoded(value: bytes) -> Sequence[ClusterEvent | None]:
    try:
        return msgspec.json.decode(value, type=list[ClusterEvent])
    except msgspec.MsgspecError:
        metrics.EVENTS_DROPPED.labels("undecodable").inc()
    try:
        parts = msgspec.json.decode(value, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        return []
    return [_one(part) for part in parts]


def _one(part: msgspec.Raw) -> ClusterEvent | None:
    try:
        return msgspec.json.decode(part, type=ClusterEvent)
    except msgspec.MsgspecError:
        return None
