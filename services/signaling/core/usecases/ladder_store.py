"""Gives transcoders and origins what they may know of each app's settings: its ladder, its backup, and no secret."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import LadderSettings
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.usecases.key_changes import KeyChanges

log = get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
LOOK_EVERY_S = 30.0
"""How often an instance looks whether the store still has what it knows. An instance that wrote what it knew a moment
ago may be gone before it hears better, and the store may have lost its state."""


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
        """Write every app of the catalog, then each change, and now and then what the store lacks; until cancelled.
        Outlives the absence of the store."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        look_at = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            if clock() >= look_at:
                look_at = clock() + LOOK_EVERY_S
                for app in sorted(self._catalog.names()):
                    self.changed(app)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
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
        def known(present: bytes | None) -> bytes | None:
            """What is known when the store is written, which may be more than when it was asked."""
            settings = self._catalog.settings(app)
            if settings is None or _says(present, settings.ladder):
                return None
            return msgspec.json.encode(settings.ladder)

        if self._catalog.settings(app) is None:
            await self._changes.delete(app)
        else:
            await self._changes.change(app, known)


def _says(present: bytes | None, ladder: LadderSettings) -> bool:
    """Whether the store says the same, also in the words of another version."""
    try:
        return present is not None and decode_json(present, LadderSettings) == ladder
    except Undecodable:
        return False
