"""The encoder settings of every app, followed in the store. Settings that make no sense never displace ones that
did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings, LadderRung
from rillcast.runtime.logs import get_logger
from rillcast.runtime.ports import Entry, KeyValue
from services.transcoder import metrics
from services.transcoder.domain.ladder import LadderRefused, check_settings

log = get_logger(__name__)

REWATCH_S = 1.0


class AppLadders:
    """Ladder settings by app; an app without any gets no ladder. `run` belongs to a supervised task."""

    def __init__(self, apps: KeyValue, changed: Callable[[AppName], None]) -> None:
        """`changed` is called with an app whose ladder is another now. Must not block."""
        self._apps = apps
        self._changed = changed
        self._ladders: dict[AppName, tuple[LadderRung, ...]] = {}

    def get(self, app: AppName) -> tuple[LadderRung, ...]:
        """The app's rungs as set; empty for none."""
        return self._ladders.get(app, ())

    async def run(self) -> None:
        """Follow the store until cancelled; survives its absence."""
        while True:
            with suppress(RillcastError):
                async with self._apps.watch() as entries:
                    async for entry in entries:
                        self.apply(entry)
            await asyncio.sleep(REWATCH_S)

    def apply(self, entry: Entry) -> None:
        """A change of the apps bucket."""
        app = AppName(entry.key)
        try:
            ladder = _ladder_of(entry)
        except (LadderRefused, msgspec.MsgspecError) as error:
            metrics.REFUSED.labels("settings").inc()
            log.warning("The app's encoder settings are refused", app=app, reason=str(error))
            return
        if ladder != self.get(app):
            self._ladders[app] = ladder
            self._changed(app)


def _ladder_of(entry: Entry) -> tuple[LadderRung, ...]:
    if entry.value is None:
        return ()
    ladder = msgspec.json.decode(entry.value, type=AppSettings).encoder_settings
    check_settings(ladder)
    return ladder
