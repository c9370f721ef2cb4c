"""Keeps an `AppCatalog` up to date from the apps bucket, gives the bucket what it lacks, and writes changes."""

from __future__ import annotations

import asyncio

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
from services.signaling.core.domain.app_catalog import AppCatalog, changed_settings
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

SEED_EVERY_S = 30.0


class AppStore:
    """One per signaling instance."""

    def __init__(self, bucket: KeyValue, catalog: AppCatalog) -> None:
        self._bucket = bucket
        self._catalog = catalog
        self._changes = KeyChanges(bucket, busy="the settings are being changed by others")

    async def run(self) -> None:
        """Follow the bucket and seed it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._bucket, self._apply, name=BUCKET_APPS))
            tasks.create_task(self._seed())

    async def change(self, app: AppName, patch: Patch[AppSettings]) -> None:
        """Merge posted settings into the app's. Raises `RillcastError`, and what `changed_settings` does."""

        def changed(value: bytes | None) -> bytes:
            return msgspec.json.encode(changed_settings(self._current(app, value), patch))

        entry = await self._changes.change(app, changed)
        if entry is not None:
            self._apply(entry)

    def _current(self, app: AppName, value: bytes | None) -> AppSettings:
        """What can't be read counts as not there, so that it can be mended."""
        if value is not None:
            try:
                return decode_json(value, AppSettings)
            except Undecodable:
                log.warning("Settings in the store make no sense and are replaced", app=app)
        known = self._catalog.settings(app)
        if known is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return known

    def _apply(self, entry: Entry) -> None:
        if not self._catalog.apply(entry):
            metrics.APP_RECORDS_REFUSED.inc()
            log.warning("Settings in the store make no sense, the former ones stay", app=entry.key)

    async def _seed(self) -> None:
        """Other services read settings from the store, so it must have those this instance was started with."""
        while True:
            try:
                for app, settings in self._catalog.defaults().items():
                    await self._bucket.create(app, msgspec.json.encode(settings))
            except RillcastError as error:
                log.info("App settings can't be written right now", reason=error.message)
            await asyncio.sleep(SEED_EVERY_S)
