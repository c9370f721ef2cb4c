"""Keeps an `AppCatalog` up to date from the apps bucket, gives the bucket what it lacks, and writes changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, is_app_name
from rillcast.contracts.records import AppSettings
from rillcast.contracts.subjects import BUCKET_APPS
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.app_catalog import AppCatalog, changed_settings
from services.signaling.core.domain.doors import lock_faults, open_doors
from services.signaling.core.domain.protection import overruled, protection_faults
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

SEED_EVERY_S = 30.0


class AppStore:
    """One per signaling instance."""

    def __init__(
        self,
        bucket: KeyValue,
        catalog: AppCatalog,
        changed: Callable[[AppName], None] = lambda _: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`changed`: called with each app of which the settings may be others now. It must not block. `wall_clock`:
        Unix time, for ``updateTime``."""
        self._wall_clock = wall_clock
        self._changed = changed
        self._bucket = bucket
        self._catalog = catalog
        self._changes = KeyChanges(bucket, busy="the settings are being changed by others")

    async def load(self) -> None:
        """Know everything that is in the bucket. Awaited before anybody is let in: until then a protected app would
        look open. Raises STORE_UNAVAILABLE."""
        for entry in await self._bucket.entries():
            self._apply(entry)

    async def run(self) -> None:
        """Follow the bucket and seed it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._bucket, self._apply, name=BUCKET_APPS))
            tasks.create_task(self._seed())

    async def change(self, app: AppName, patch: Patch[AppSettings]) -> None:
        """Merge posted settings into the app's. Raises `RillcastError`, and what `changed_settings` does."""

        def changed(value: bytes | None) -> bytes:
            current, catalog = self._current(app, value), self._catalog
            after = changed_settings(current, patch, catalog.pins(app), server_secret=catalog.server_secret)
            return msgspec.json.encode(msgspec.structs.replace(after, update_time=self._now_ms()))

        entry = await self._changes.change(app, changed)
        if entry is not None:
            self._apply(entry)

    def _current(self, app: AppName, value: bytes | None) -> AppSettings:
        """What can't be read counts as not there, so that it can be mended."""
        if value is not None:
            try:
                return self._catalog.pinned(app, decode_json(value, AppSettings))
            except Undecodable:
                log.warning("Settings in the store make no sense and are replaced", app=app)
        known = self._catalog.settings(app)
        if known is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return known

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)

    def _apply(self, entry: Entry) -> None:
        if not self._catalog.apply(entry):
            metrics.APP_RECORDS_REFUSED.inc()
            log.warning("Settings in the store make no sense, the former ones stay", app=entry.key)
            return
        self._changed(AppName(entry.key))
        settings = self._catalog.settings(AppName(entry.key))
        for fault in lock_faults(settings) if settings is not None else ():
            log.warning("An app lets nobody in", app=entry.key, reason=fault)
        for fault in protection_faults(settings, self._catalog.server_secret) if settings is not None else ():
            log.warning("A secret of an app gives away more than it is for", app=entry.key, reason=fault)

    async def _seed(self) -> None:
        """Other instances read settings from the store, so it must have those that the file gives. What nobody set is
        not written: it would look as if somebody had."""
        told = False
        while True:
            try:
                for app, settings in self._catalog.given().items():
                    if await self._bucket.create(app, msgspec.json.encode(settings)) is None and not told:
                        await self._write_pins(app)
                if not told:
                    await self._tell_open_doors()
                    told = True
            except RillcastError as error:
                log.info("App settings can't be written right now", reason=error.message)
            await asyncio.sleep(SEED_EVERY_S)

    async def _write_pins(self, app: AppName) -> None:
        """Where the store says otherwise about what protects an app, the file is right, for instances without the file
        as well. It is said."""
        differs: list[str] = []

        def changed(value: bytes | None) -> bytes | None:
            differs[:] = overruled(_stored(app, value), self._catalog.pins(app))
            return msgspec.json.encode(self._current(app, value)) if differs else None

        if await self._changes.change(app, changed) is not None:
            log.warning("The apps file overrules what the store had", app=app, keys=", ".join(differs))

    async def _tell_open_doors(self) -> None:
        """At every start, a line for each app in which everybody may do something."""
        stored = {entry.key: entry.value for entry in await self._bucket.entries()}
        for app in sorted({AppName(key) for key in stored if is_app_name(key)} | self._catalog.names()):
            if doors := open_doors(self._current(app, stored.get(app))):
                log.warning("Everybody may do this in an app, whoever it is", app=app, open_to=", ".join(doors))


def _stored(app: AppName, value: bytes | None) -> AppSettings:
    """What the store has; defaults for what it lacks or what makes no sense."""
    try:
        return decode_json(value or b"", AppSettings)
    except Undecodable:
        return AppSettings(app_name=app)
