"""Keeps an `AppCatalog` up to date from the apps bucket, gives the bucket what it lacks, and writes changes."""

from __future__ import annotations

import asyncio

import msgspec

from rillcast.apps.patch import Patch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.telemetry import get_logger
from services.signaling import metrics
from services.signaling.core.domain.app_catalog import AppCatalog, changed_settings

log = get_logger(__name__)

REWATCH_S = 1.0
SEED_EVERY_S = 30.0
ATTEMPTS = 5


class AppStore:
    """One per signaling instance."""

    def __init__(self, bucket: KeyValue, catalog: AppCatalog) -> None:
        self._bucket = bucket
        self._catalog = catalog

    async def run(self) -> None:
        """Watch and seed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            tasks.create_task(self._seed())

    async def change(self, app: AppName, patch: Patch[AppSettings]) -> AppSettings:
        """Merge posted settings into the app's. Raises `RillcastError`, and what `changed_settings` does."""
        for _ in range(ATTEMPTS):
            entry = await self._bucket.get(app)
            if entry is not None and entry.value is not None:
                current = msgspec.json.decode(entry.value, type=AppSettings)
            else:
                known = self._catalog.settings(app)
                if known is None:
                    raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
                current = known
            changed = changed_settings(current, patch)
            value = msgspec.json.encode(changed)
            if entry is None or entry.value is None:
                written = await self._bucket.create(app, value)
            else:
                written = await self._bucket.update(app, value, entry.revision)
            if written is not None:
                return changed
        raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the settings are being changed by others", 1.0)

    async def _watch(self) -> None:
        while True:
            try:
                async with self._bucket.watch() as entries:
                    async for entry in entries:
                        if not self._catalog.apply(entry):
                            metrics.APP_RECORDS_REFUSED.inc()
                            log.warning("Settings in the store make no sense, the former ones stay", app=entry.key)
            except RillcastError as error:
                log.info("App settings can't be watched right now", reason=error.message)
            await asyncio.sleep(REWATCH_S)

    async def _seed(self) -> None:
        """Other services read settings from the store, so it must have those this instance was started with."""
        while True:
            try:
                for app, settings in self._catalog.defaults().items():
                    await self._bucket.create(app, msgspec.json.encode(settings))
            except RillcastError as error:
                log.info("App settings can't be written right now", reason=error.message)
            await asyncio.sleep(SEED_EVERY_S)
