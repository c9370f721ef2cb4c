"""Gives transcoders and origins what they may know of each app's settings: its ladder, its backup, and no secret."""

from __future__ import annotations

import asyncio

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0


class LadderStore:
    """One per signaling instance. Each of them writes what it knows; as all of them follow the same bucket of settings,
    the last write is of the newest settings, whoever makes it."""

    def __init__(self, bucket: KeyValue, catalog: AppCatalog) -> None:
        self._changes = KeyChanges(bucket, busy="the ladders are being changed by others")
        self._catalog = catalog
        self._due: dict[AppName, None] = {}
        self._some = asyncio.Event()

    def changed(self, app: AppName) -> None:
        """The settings of the app may be others now."""
        self._due[app] = None
        self._some.set()

    async def run(self) -> None:
        """Write every app of the catalog, then each change, until cancelled. Outlives the absence of the store."""
        for app in sorted(self._catalog.names()):
            self.changed(app)
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            await self._some.wait()
            self._some.clear()
            try:
                await self._write_due()
            except RillcastError as error:
                log.info("Ladders can't be written right now", reason=error.message)
                self._some.set()
                await asyncio.sleep(backoff.next_delay_s())
            else:
                backoff.reset()

    async def _write_due(self) -> None:
        while self._due:
            app = next(iter(self._due))
            del self._due[app]  # before: what changes meanwhile makes it due again
            try:
                await self._write(app)
            except BaseException:
                self._due[app] = None
                raise

    async def _write(self, app: AppName) -> None:
        settings = self._catalog.settings(app)
        if settings is None:
            await self._changes.delete(app)
            return
        wanted = msgspec.json.encode(settings.ladder)
        await self._changes.change(app, lambda present: None if present == wanted else wanted)
