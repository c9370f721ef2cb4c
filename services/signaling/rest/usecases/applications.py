"""The apps' settings."""

from __future__ import annotations

from collections import Counter

import msgspec

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId, is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.contracts.status import AppStatus
from services.signaling.core.domain.admission_rules import unknown_app
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.app_names import TAKEN, fault_in_app_name
from services.signaling.core.domain.doors import open_doors
from services.signaling.core.domain.protection import ProtectionRefused
from services.signaling.core.domain.result import Result
from services.signaling.core.domain.setting_values import WrongType
from services.signaling.core.ports import Audience
from services.signaling.core.ports import Broadcasts as KnownBroadcasts
from services.signaling.core.usecases.app_end import AppEnd, AppRecords
from services.signaling.core.usecases.app_store import AppStore
from services.signaling.rest.domain.app_shapes import AppInfo, AppNames, Upload, WatchedStream
from services.signaling.rest.domain.parameters import App, DeleteRecords
from services.signaling.rest.domain.refusal import BadInput, Form, NotTaken
from services.signaling.rest.domain.settings_shapes import all_shown, shown
from services.signaling.rest.ports import PublishedStreams

NO_FILES = "no file is taken: this server has no WAR files. Without one, an app with default settings is made"
NOT_AVAILABLE = "AppSettings is not available for app: {app}. It's not available or it's being initialized"
"""Ant Media's words."""


class Applications:
    """One per signaling instance."""

    def __init__(
        self,
        apps: AppCatalog,
        store: AppStore,
        streams: PublishedStreams,
        audience: Audience,
        *,
        end: AppEnd,
        records: AppRecords,
        known: KnownBroadcasts,
    ) -> None:
        self._apps = apps
        self._store = store
        self._streams = streams
        self._audience = audience
        self._end = end
        self._records = records
        self._known = known

    async def list_all(self) -> list[AppStatus]:
        """Every app, by name."""
        streams = Counter(live.app for live in self._streams.all())
        return [
            AppStatus(
                app=name,
                open_to=open_doors(settings),
                streams=streams[name],
                viewers=self._audience.viewers_of_app(name),
            )
            for name in sorted(self._apps.names())
            if (settings := self._apps.settings(name)) is not None
        ]

    async def names(self) -> AppNames:
        """The names of all apps, in order."""
        return AppNames(applications=sorted(self._apps.names()))

    async def infos(self) -> list[AppInfo]:
        """Each of them in figures."""
        streams = Counter(live.app for live in self._streams.all() if live.record.media_flowing)
        return [AppInfo(name=name, live_stream_count=streams[name]) for name in sorted(self._apps.names())]

    async def live_streams(self, app: App) -> list[WatchedStream]:
        """What is live in an app. Raises UNKNOWN_APP."""
        if self._apps.settings(app) is None:
            raise unknown_app(app)
        live = sorted(one.stream for one in self._streams.all() if one.app == app and one.record.media_flowing)
        return [WatchedStream(name=stream, watcher_count=self._audience.viewers(app, stream)) for stream in live]

    async def create(self, app: App) -> Result:
        """Make an app. Returns when the store has it; all instances hear of it at once. Raises `RillcastError`:
        STORE_UNAVAILABLE, HIGH_RESOURCE_USAGE."""
        if fault := fault_in_app_name(app):
            raise NotTaken(fault)
        return Result(success=True) if await self._store.create(app) else Result(success=False, message=TAKEN)

    async def upload(self, app: App, body: Upload) -> Result:
        """The same from a form. One with a file is refused."""
        if body.has_file:
            raise NotTaken(NO_FILES)
        return await self.create(app)

    async def delete(self, app: App, delete_records: DeleteRecords = False) -> Result:
        """Nobody comes in any more, then those that are there are sent away, then the records go if that is wanted.
        Raises STORE_UNAVAILABLE: what is not done then is done by the same request again."""
        if not is_app_name(app):
            return Result(success=False, message=NOT_AVAILABLE.format(app=app))
        try:
            deleted = await self._store.delete(app)
        except ProtectionRefused as error:
            raise NotTaken(str(error)) from error
        if not deleted and not self._end.left(app):
            return Result(success=False, message=NOT_AVAILABLE.format(app=app))
        left = await self._end.end(app)
        if delete_records:
            await self._records.forget(app)
        if left:
            return Result(success=False, message=f"{app} is deleted, and {left} of its streams could not be ended yet")
        return Result(success=True)

    async def reset(self, app: App) -> Result:
        """How many broadcasts of the app have the right state. Here they always have it: what is live is asked for
        when somebody wants to know, and is never stored."""
        if self._apps.settings(app) is None:
            return Result(success=False, message=f"No application adaptor with this name {app}")
        live = {one.stream for one in self._streams.all() if one.app == app}
        count = len(live | {StreamId(record.stream_id) for record in self._known.of_app(app)})
        return Result(success=True, message=f"Successfull operations: {count}")

    async def settings(self, app: App) -> msgspec.Struct | None:
        """Ant Media's settings of an app without its secrets; None, like the original, for an app that does not
        exist."""
        settings = self._apps.settings(app)
        return None if settings is None else shown(settings)

    async def all_settings(self, app: App) -> msgspec.Struct | None:
        """Those, and the settings that Ant Media does not have."""
        settings = self._apps.settings(app)
        return None if settings is None else all_shown(settings)

    async def change_settings(self, app: App, body: Patch[AppSettings]) -> Result:
        """Change the keys that are given: all of them, or none. Returns when the store has them. Raises `BadInput`,
        which names what is wrong, and `RillcastError`: UNKNOWN_APP, STORE_UNAVAILABLE."""
        if not is_app_name(app):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        try:
            await self._store.change(app, body)
        except WrongType as error:
            raise BadInput(str(error), Form.TEXT) from error
        except (PatchRefused, LadderRefused, ProtectionRefused) as error:
            raise NotTaken(str(error)) from error
        return Result(success=True)
