"""Keeps an `AppCatalog` up to date from the apps bucket, gives the bucket what it lacks, and writes changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.contracts.subjects import BUCKET_APPS
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.app_catalog import DELETED, AppCatalog, changed_settings
from services.signaling.core.domain.doors import lock_faults, open_doors
from services.signaling.core.domain.protection import ProtectionRefused, overruled, protection_faults
from services.signaling.core.domain.told_upto import ToldUpto
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

SEED_EVERY_S = 30.0
MAX_APPS = 1_000
"""No more are made by REST."""


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
        self._on_gone: list[Callable[[AppName], None]] = []
        self._changed = changed
        self._bucket = bucket
        self._catalog = catalog
        self._changes = KeyChanges(bucket, busy="the settings are being changed by others")
        self._entries = ToldUpto(self._apply)

    async def load(self) -> None:
        """Know everything that is in the bucket. Awaited before anybody is let in: until then a protected app would
        look open. Raises STORE_UNAVAILABLE."""
        for entry in await self._bucket.entries():
            self._apply(entry)

    async def run(self) -> None:
        """Follow the bucket and seed it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._bucket, self._entries.told, name=BUCKET_APPS))
            tasks.create_task(self._seed())

    def on_gone(self, listener: Callable[[AppName], None]) -> None:
        """Call `listener` with each app that was there and is deleted, whoever did it. It must not block."""
        self._on_gone.append(listener)

    async def create(self, app: AppName) -> bool:
        """An app with default settings. False when there is one already. Raises `RillcastError`: STORE_UNAVAILABLE, and
        HIGH_RESOURCE_USAGE when there are as many as the cluster keeps."""
        if len(self._catalog.names()) >= MAX_APPS:
            metrics.ACCESS_RECORDS_FULL.labels("app").inc()
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"there are {MAX_APPS} apps already")
        settings = AppSettings(app_name=app, app_installation_time=self._now_ms())

        def made(value: bytes | None) -> bytes | None:
            free = value == DELETED or (value is None and not self._catalog.from_the_start(app))
            return msgspec.json.encode(settings) if free else None

        entry = await self._changes.change(app, made)
        self._entries.own(entry)
        return entry is not None

    async def delete(self, app: AppName) -> bool:
        """Forget an app and its settings. False when there is none. Raises `ProtectionRefused` for one that a file
        names, and STORE_UNAVAILABLE."""
        if app in self._catalog.given():
            raise ProtectionRefused(f"{app}: it is in RILLCAST_SIGNALING_APPS_FILE; take it out there")
        if self._catalog.from_the_start(app):
            gone = await self._changes.change(app, lambda value: None if value == DELETED else DELETED)
        else:
            gone = await self._changes.delete(app)
        self._entries.own(gone)
        return gone is not None

    async def change(self, app: AppName, patch: Patch[AppSettings]) -> None:
        """Merge posted settings into the app's. Raises `RillcastError`, and what `changed_settings` does."""

        def changed(value: bytes | None) -> bytes:
            current, catalog = self._current(app, value), self._catalog
            after = changed_settings(current, patch, catalog.pins(app), server_secret=catalog.server_secret)
            return msgspec.json.encode(msgspec.structs.replace(after, update_time=self._now_ms()))

        self._entries.own(await self._changes.change(app, changed))

    def _current(self, app: AppName, value: bytes | None) -> AppSettings:
        """What can't be read counts as not there, so that it can be mended. Of an app that was there from the start,
        nothing in the store means that the store has lost it, and what is known counts; of any other one it means that
        the app was deleted."""
        if value == DELETED or (value is None and not self._catalog.from_the_start(app)):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        if value is not None:
            try:
                return self._catalog.pinned(app, decode_json(value, AppSettings))
            except Undecodable:
                log.warning("Settings in the store make no sense and are replaced", app=app)
        known = self._catalog.settings(app)
        if known is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return known

    def _tell(self, app: AppName, *, there: bool) -> None:
        """`there`: whether the app was there before."""
        self._changed(app)
        if there and self._catalog.settings(app) is None:
            for listener in self._on_gone:
                listener(app)

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)

    def _apply(self, entry: Entry) -> None:
        there = self._catalog.settings(AppName(entry.key)) is not None
        if not self._catalog.apply(entry):
            metrics.APP_RECORDS_REFUSED.inc()
            log.warning("Settings in the store make no sense, the former ones stay", app=entry.key)
            return
        self._tell(AppName(entry.key), there=there)
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
            if value == DELETED:
                return msgspec.json.encode(self._catalog.given()[app])
            differs[:] = overruled(_stored(app, value), self._catalog.pins(app))
            return msgspec.json.encode(self._current(app, value)) if differs else None

        if await self._changes.change(app, changed) is not None:
            log.warning("The apps file overrules what the store had", app=app, keys=", ".join(differs))

    async def _tell_open_doors(self) -> None:
        """At every start, a line for each app in which everybody may do something."""
        for app in sorted(self._catalog.names()):
            settings = self._catalog.settings(app)
            if settings is not None and (doors := open_doors(settings)):
                log.warning("Everybody may do this in an app, whoever it is", app=app, open_to=", ".join(doors))


def _stored(app: AppName, value: bytes | None) -> AppSettings:
    """What the store has; defaults for what it lacks or what makes no sense."""
    try:
        return decode_json(value or b"", AppSettings)
    except Undecodable:
        return AppSettings(app_name=app)
