"""Broadcasts: those that are live, and those for which something was set."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable

import msgspec

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId, is_stream_id
from services.signaling.core.domain.broadcast_body import posted_id, read_changes
from services.signaling.core.domain.broadcast_catalog import changed_broadcast
from services.signaling.core.domain.broadcast_index import Wanted
from services.signaling.core.domain.result import NotServed, Result
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.core.domain.subtrack_seats import SubtracksFull
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.domain import stream_sources
from services.signaling.rest.domain.broadcast_wishes import unfulfilled
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import (
    App,
    AutoStart,
    Offset,
    OnDuplicate,
    OrderBy,
    Search,
    SearchQuery,
    Size,
    SortBy,
    Stream,
    TypeBy,
)
from services.signaling.rest.domain.refusal import NOT_FOUND, BadInput, Form, Refusal, Refused
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.ports import KnownBroadcasts, PublishedStreams
from services.signaling.rest.usecases.main_tracks import no_main_track
from services.signaling.rest.usecases.shown_broadcasts import ShownBroadcasts

NO_SUCH_BROADCAST = NOT_FOUND
BAD_ID = "Stream id is not valid."
TAKEN = "Stream id is already being used. Please change stream id or keep it empty"
BAD_URL = "Stream url is not valid. "
BAD_NEW_URL = "Stream URL is not valid"
NOTHING_CREATED = "{why}. Nothing was created."
NOTHING_CHANGED = "{why}. Nothing was changed."
NO_PULL = "Pulling streams from elsewhere isn't there: this broadcast cannot be started, and nothing was created."
NO_AUTO_START = Refusal(200, "Auto start query needs an IP camera or stream source.")
NO_START = Refusal(200, NO_PULL)
MOST_CREATED = 1_000
"""Broadcasts of one list that are created together."""
_LETTERS = string.ascii_letters + string.digits


class Broadcasts:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        streams: PublishedStreams,
        known: KnownBroadcasts,
        shown: ShownBroadcasts,
        store: BroadcastStore,
        own_address: str,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`own_address`: of this node, which new broadcasts name. `wall_clock`: Unix time."""
        self._streams = streams
        self._known = known
        self._shown = shown
        self._store = store
        self._own_address = own_address
        self._wall_clock = wall_clock

    async def create(self, app: App, body: Patch[KeptBroadcast] | None, auto_start: AutoStart = "") -> Broadcast:
        """Create a broadcast that is not live yet. Without a ``streamId`` it gets one. Raises `BadInput` for an id
        that is impossible or taken, and `RillcastError`: STORE_UNAVAILABLE, HIGH_RESOURCE_USAGE."""
        if auto_start.lower() == "true":
            raise Refused(self._no_start(body))
        stream = await self._create(app, body)
        shown = self._shown.one(app, stream)
        if shown is None:  # somebody deleted it at once
            raise Refused(NO_SUCH_BROADCAST)
        return shown

    async def create_list(
        self, app: App, body: list[dict[str, msgspec.Raw]], on_duplicate: OnDuplicate = ""
    ) -> list[Result]:
        """Create several. Nothing is created when an id is taken and `on_duplicate` is neither skip nor overwrite, and
        when one of them makes no sense. Raises as `create`."""
        if len(body) > MOST_CREATED:
            raise BadInput(f"a list may have at most {MOST_CREATED} broadcasts")
        wishes = [self._read(Patch(one)) for one in body]
        ids = [stream for stream, _ in wishes]
        taken = [stream for stream in ids if self._shown.one(app, stream) is not None]
        if len(set(ids)) < len(ids) or (taken and on_duplicate not in ("skip", "overwrite")):
            raise BadInput(TAKEN)
        return [await self._create_one(app, stream, changes, on_duplicate) for stream, changes in wishes]

    async def get(self, app: App, stream: Stream) -> Broadcast:
        """The broadcast with this id, whether it is live or was only created."""
        shown = self._shown.one(app, stream)
        if shown is None:
            raise Refused(NO_SUCH_BROADCAST)
        return shown

    async def change(self, app: App, stream: Stream, body: Patch[KeptBroadcast] | None) -> Result:
        """Keys that are given change, and null changes nothing. An unknown broadcast is answered 200 and ``success:
        false``, as the original does. Raises `BadInput` and `RillcastError`."""
        unknown = Result(success=False, message=f"Broadcast with streamId: {stream} does not exist")
        if not is_stream_id(stream):
            return unknown
        shown = self._shown.one(app, stream)
        if body is None:
            return Result(success=False) if shown is not None else unknown
        try:
            changes = read_changes(body)
            live = self._streams.published(app, stream) is not None
            before = self._kept(app, stream)
            good = changed_broadcast(before, changes)
            if shown is not None and (why := unfulfilled(before, good) or self._no_main_track(app, before, good)):
                return NotServed(success=False, message=NOTHING_CHANGED.format(why=why))
            if shown is not None and not stream_sources.has_good_address(good):
                return Result(success=False, message=BAD_NEW_URL)
            found = await self._store.change(app, stream, changes, live=live)
        except SubtracksFull as full:
            return NotServed(success=False, message=NOTHING_CHANGED.format(why=full))
        except LadderRefused as error:
            raise BadInput(str(error)) from error
        except PatchRefused as error:
            raise BadInput(str(error), Form.TEXT) from error
        return Result(success=True) if found else unknown

    async def list_page(
        self,
        app: App,
        offset: Offset,
        size: Size,
        *,
        type_by: TypeBy = "",
        sort_by: SortBy = "",
        order_by: OrderBy = "",
        search: SearchQuery = "",
    ) -> list[Broadcast]:
        """One page of the app's broadcasts."""
        wanted = Wanted(search=search, type_by=type_by, sort_by=sort_by, order_by=order_by)
        return self._shown.all(app, page(self._shown.wanted(app, wanted), offset, size))

    async def count(self, app: App) -> SimpleStat:
        """How many there are."""
        return SimpleStat(len(self._shown.wanted(app, Wanted())))

    async def count_found(self, app: App, search: Search) -> SimpleStat:
        """How many there are whose id or name has this part."""
        return SimpleStat(len(self._shown.wanted(app, Wanted(search=search))))

    async def count_live(self, app: App) -> SimpleStat:
        """How many are live."""
        return SimpleStat(self._shown.live(app))

    async def _create(self, app: AppName, body: Patch[KeptBroadcast] | None) -> StreamId:
        stream, changes = self._read(Patch({}) if body is None else body)
        if why := self._no_main_track_of_new(app, stream, changes):
            raise BadInput(NOTHING_CREATED.format(why=why))
        if self._streams.published(app, stream) is not None:
            raise BadInput(TAKEN)
        try:
            created = await self._store.create(app, stream, changes, self._set_here(app, stream))
        except SubtracksFull as full:
            raise BadInput(NOTHING_CREATED.format(why=full)) from full
        if not created:
            raise BadInput(TAKEN)
        return stream

    async def _create_one(
        self, app: AppName, stream: StreamId, changes: Patch[KeptBroadcast], on_duplicate: str
    ) -> Result:
        if why := self._no_main_track_of_new(app, stream, changes):
            return Result(success=False, message=f"failed: {why}", data_id=stream)
        try:
            return await self._put(app, stream, changes, on_duplicate)
        except SubtracksFull as full:
            return Result(success=False, message=f"failed: {full}", data_id=stream)

    async def _put(self, app: AppName, stream: StreamId, changes: Patch[KeptBroadcast], on_duplicate: str) -> Result:
        set_here = self._set_here(app, stream)
        if await self._store.create(app, stream, changes, set_here):
            return Result(success=True, message="created", data_id=stream)
        if on_duplicate != "overwrite":
            return Result(
                success=on_duplicate == "skip", message="skipped" if on_duplicate else "failed", data_id=stream
            )
        anew = changed_broadcast(KeptBroadcast(stream_id=stream), changes)
        written = await self._store.rewrite(app, stream, lambda _: set_here(anew))
        return Result(success=written, message="overridden" if written else "failed", data_id=stream)

    def _read(self, body: Patch[KeptBroadcast]) -> tuple[StreamId, Patch[KeptBroadcast]]:
        """The id and the changes of a new broadcast. Raises `BadInput`."""
        try:
            stream = StreamId(posted_id(body) or self._new_id())
            changes = Patch[KeptBroadcast](
                {key: raw for key, raw in read_changes(body).posted.items() if key != "status"}
            )
            if not is_stream_id(stream):
                raise BadInput(BAD_ID)
            record = changed_broadcast(KeptBroadcast(stream_id=stream), changes)
        except LadderRefused as error:
            raise BadInput(str(error)) from error
        except PatchRefused as error:
            raise BadInput(str(error), Form.TEXT) from error
        if why := unfulfilled(KeptBroadcast(stream_id=stream, type=record.type), record):
            raise BadInput(NOTHING_CREATED.format(why=why))
        if not stream_sources.has_good_address(record):
            raise BadInput(BAD_URL)
        return stream, changes

    def _no_main_track_of_new(self, app: AppName, stream: StreamId, changes: Patch[KeptBroadcast]) -> str:
        before = KeptBroadcast(stream_id=stream)
        return self._no_main_track(app, before, changed_broadcast(before, changes))

    def _no_main_track(self, app: AppName, before: KeptBroadcast, after: KeptBroadcast) -> str:
        """Why it cannot get the main track that it is to get, in words; empty if it can, or gets none."""
        main = after.main_track_stream_id
        if not main or main == before.main_track_stream_id:
            return ""
        return no_main_track(self._known, app, StreamId(main), after.stream_id)

    def _no_start(self, body: Patch[KeptBroadcast] | None) -> Refusal:
        """Why a new broadcast is not started; nothing is created then."""
        _, changes = self._read(Patch({}) if body is None else body)
        record = changed_broadcast(KeptBroadcast(stream_id=StreamId("new")), changes)
        return NO_START if record.type in (stream_sources.IP_CAMERA, stream_sources.STREAM_SOURCE) else NO_AUTO_START

    def _new_id(self) -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(16)) + str(self._now_ms())

    def _set_here(self, app: AppName, stream: StreamId) -> Callable[[KeptBroadcast], KeptBroadcast]:
        """Gives a new broadcast what it has from its server."""
        address, now_ms = self._own_address, self._now_ms()
        url = f"rtmp://{address}/{app}/{stream}" if address else None

        def set_here(record: KeptBroadcast) -> KeptBroadcast:
            return msgspec.structs.replace(
                record, date=record.date or now_ms, origin_adress=address or None, rtmp_url=url
            )

        return set_here

    def _kept(self, app: AppName, stream: StreamId) -> KeptBroadcast:
        return self._shown.kept(app, stream) or KeptBroadcast(stream_id=stream)

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)
