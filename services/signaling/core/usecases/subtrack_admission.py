"""Takes seats in the record of a main track for those that are to be attached to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast, StoredBroadcast
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, is_stream_id, stream_key
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.broadcast_catalog import BroadcastCatalog
from services.signaling.core.domain.subtrack_seats import NotToldYet, seat_left, seat_taken, without_upto
from services.signaling.core.usecases.key_changes import RETRY_AFTER_S, KeyChanges

log = get_logger(__name__)

WRITE_S = 20.0
"""How long a seat is good for, in seconds: later than that, nothing is written that needs one."""
TOLD_S = 5.0
"""How long the bucket may take to tell of what others have attached."""


class NeedsSeat(Exception):
    """A broadcast is to be attached to a main track, and has no seat there."""

    def __init__(self, main: StreamId) -> None:
        super().__init__(main)
        self.main = main


class Seat(msgspec.Struct):
    """For one broadcast at one main track."""

    main: StreamId | None = None
    """None = it needs no seat."""
    written: int = 0
    """The revision of the write for which the seat was taken; 0 = nothing was written."""

    def check(self, before: KeptBroadcast | None, after: KeptBroadcast) -> None:
        """Raises `NeedsSeat` for one that is attached to another main track than this seat is of."""
        main = after.main_track_stream_id
        if main and main != self.main and (before is None or before.main_track_stream_id != main):
            raise NeedsSeat(StreamId(main))


class SubtrackAdmission:
    """One per signaling instance."""

    def __init__(
        self,
        bucket: KeyValue,
        changes: KeyChanges,
        catalog: BroadcastCatalog,
        own: Callable[[Entry | None], None],
        wall_clock: Callable[[], float],
    ) -> None:
        """`own`: takes in what was written here. `wall_clock`: Unix time."""
        self._bucket = bucket
        self._changes = changes
        self._catalog = catalog
        self._own = own
        self._wall_clock = wall_clock
        self._told = 0
        self._news: asyncio.Event | None = None
        """Set when the bucket tells more, for those who wait."""

    def told(self, revision: int) -> None:
        """The bucket has told this instance of all writes up to this one."""
        self._told = max(self._told, revision)
        if self._news is not None:
            self._news.set()
            self._news = None

    @asynccontextmanager
    async def seat(self, app: AppName, main: StreamId | None, stream: StreamId) -> AsyncIterator[Seat]:
        """A seat for as long as `stream` is being attached to `main`. Raises `SubtracksFull`, and `RillcastError`. When
        it is not known whether the broadcast was written, its seat stays for as long as it would be kept."""
        if main is None or not is_stream_id(main):  # no broadcast has such an id, so none with a limit
            yield Seat(main)
            return
        taken, seat, is_known = await self._take(app, main, stream), Seat(main), True
        try:
            async with asyncio.timeout(WRITE_S):
                yield seat
        except (RillcastError, asyncio.CancelledError):
            is_known = False
            raise
        except TimeoutError as error:
            is_known = False
            raise _too_slow() from error
        finally:
            if taken and is_known:
                await self._leave(app, main, stream, seat.written)

    async def _take(self, app: AppName, main: StreamId, stream: StreamId) -> bool:
        """Whether a seat was needed."""
        of_another_store = -1

        def changed(value: bytes | None) -> bytes | None:
            record, now_ms = _decoded(value), int(self._wall_clock() * 1_000)
            if record is None:
                return None
            if record.subtrack_seats.upto == of_another_store:
                record = without_upto(record)
            attached = self._catalog.subtracks(app, main)
            with_seat = seat_taken(record, stream, attached, told=self._told, now_ms=now_ms)
            return None if with_seat is None else msgspec.json.encode(with_seat)

        while True:
            try:
                entry = await self._changes.change(stream_key(app, main), changed)
            except NotToldYet as behind:
                if await self._is_of_another_store(stream_key(app, main), behind.upto):
                    of_another_store = behind.upto
                else:
                    await self._wait_for(behind.upto)
            else:
                return self._written(entry)

    async def _leave(self, app: AppName, main: StreamId, stream: StreamId, written: int) -> None:
        def changed(value: bytes | None) -> bytes | None:
            record = _decoded(value)
            without = None if record is None else seat_left(record, stream, written)
            return None if without is None else msgspec.json.encode(without)

        try:
            self._written(await self._changes.change(stream_key(app, main), changed))
        except RillcastError as error:
            log.info("A seat of a subtrack can't be given back right now, and lapses", reason=error.message)

    def _written(self, entry: Entry | None) -> bool:
        self._own(entry)
        return entry is not None

    async def _is_of_another_store(self, key: str, upto: int) -> bool:
        """Whether a record names a revision that comes after its own: it was brought here from elsewhere, as out of a
        backup, and whoever wrote it there is not waited for."""
        entry = await self._bucket.get(key)
        return entry is not None and entry.revision <= upto

    async def _wait_for(self, upto: int) -> None:
        try:
            async with asyncio.timeout(TOLD_S):
                while self._told < upto:
                    self._news = self._news or asyncio.Event()
                    await self._news.wait()
        except TimeoutError as error:
            raise _too_slow() from error


def _decoded(value: bytes | None) -> StoredBroadcast | None:
    """What can't be read limits nothing."""
    try:
        return None if value is None else decode_json(value, StoredBroadcast)
    except Undecodable:
        return None


def _too_slow() -> RillcastError:
    return RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store takes too long", RETRY_AFTER_S)
