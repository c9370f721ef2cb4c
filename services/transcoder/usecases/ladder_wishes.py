"""What is asked for of every stream, followed in the store: encoder settings of apps, and of single broadcasts.
Settings that make no sense never displace ones that did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from rillcast.apps.ladder_settings import LadderRefused, check_rungs
from rillcast.apps.ladder_wish import LadderWish, wish_of
from rillcast.contracts.ids import AppName, StreamId, split_stream_key, stream_key
from rillcast.contracts.records import AppSettings, BroadcastRecord
from rillcast.contracts.subjects import BUCKET_APPS, BUCKET_BROADCASTS
from rillcast.runtime.follow import follow
from rillcast.runtime.logs import get_logger
from rillcast.runtime.ports import Entry
from services.transcoder import metrics
from services.transcoder.ports import KeyValue

log = get_logger(__name__)

MAX_BROADCASTS = 100_000
"""With settings of their own; more are as their app has it."""


class LadderWishes:
    """By app and stream; without an app's settings nothing is asked for. `run` belongs to a supervised task."""

    def __init__(self, apps: KeyValue, broadcasts: KeyValue) -> None:
        self._apps = apps
        self._broadcasts = broadcasts
        self._listeners: list[Callable[[AppName], None]] = []
        self._app_settings: dict[AppName, AppSettings] = {}
        self._broadcast_settings: dict[str, BroadcastRecord] = {}

    def on_change(self, listener: Callable[[AppName], None]) -> None:
        """Call `listener` with each app of which some stream's ladder may be another now. It must not block."""
        self._listeners.append(listener)

    def get(self, app: AppName, stream: StreamId) -> LadderWish:
        """What is asked for; false if nothing."""
        settings = self._app_settings.get(app)
        if settings is None:
            return LadderWish(codecs=())
        return wish_of(settings, self._broadcast_settings.get(stream_key(app, stream)))

    async def run(self) -> None:
        """Follow the store until cancelled; survives its absence."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._apps, self.apply_app, name=BUCKET_APPS))
            tasks.create_task(follow(self._broadcasts, self.apply_broadcast, name=BUCKET_BROADCASTS))

    def apply_app(self, entry: Entry) -> None:
        """A change of the apps bucket."""
        app = AppName(entry.key)
        before = self._app_settings.get(app)
        if entry.value is None:
            self._app_settings.pop(app, None)
        else:
            try:
                settings = msgspec.json.decode(entry.value, type=AppSettings)
                check_rungs(settings.encoder_settings)
            except (LadderRefused, msgspec.MsgspecError) as error:
                metrics.REFUSED.labels("settings").inc()
                log.warning("The app's encoder settings are refused", app=app, reason=str(error))
                return
            self._app_settings[app] = settings
        if self._app_settings.get(app) != before:
            self._changed(app)

    def apply_broadcast(self, entry: Entry) -> None:
        """A change of the broadcasts bucket."""
        try:
            app, _ = split_stream_key(entry.key)
            record = None if entry.value is None else msgspec.json.decode(entry.value, type=BroadcastRecord)
            check_rungs((record.encoder_settings_list or ()) if record is not None else ())
        except (ValueError, msgspec.MsgspecError) as error:
            metrics.REFUSED.labels("settings").inc()
            log.warning("The broadcast's encoder settings are refused", stream=entry.key, reason=str(error))
            return
        before = self._broadcast_settings.pop(entry.key, None)
        own = record is not None and record.encoder_settings_list is not None
        if record is not None and own and len(self._broadcast_settings) < MAX_BROADCASTS:
            self._broadcast_settings[entry.key] = record
        if self._broadcast_settings.get(entry.key) != before:
            self._changed(app)

    def _changed(self, app: AppName) -> None:
        for listener in self._listeners:
            listener(app)
