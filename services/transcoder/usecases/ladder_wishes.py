"""What is asked for of every stream, followed in the store: encoder settings of apps, and of single broadcasts.
Settings that make no sense never displace ones that did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.apps.ladder_wish import LadderWish, wish_of
from rillcast.apps.stored import StoredBroadcasts, StoredLadders, StoredRefused
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import BroadcastRecord, LadderSettings
from rillcast.contracts.subjects import BUCKET_BROADCASTS, BUCKET_LADDERS
from rillcast.runtime.ports import Entry
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder import metrics
from services.transcoder.ports import KeyValue

log = get_logger(__name__)


class LadderWishes:
    """By app and stream; without an app's settings nothing is asked for. `run` belongs to a supervised task."""

    def __init__(self, ladders: KeyValue, broadcasts: KeyValue) -> None:
        self._ladders = ladders
        self._broadcasts = broadcasts
        self._stored_ladders = StoredLadders()
        self._stored_broadcasts = StoredBroadcasts(BroadcastRecord)
        self._listeners: list[Callable[[AppName], None]] = []

    def on_change(self, listener: Callable[[AppName], None]) -> None:
        """Call `listener` with each app of which some stream's ladder may be another now. It must not block."""
        self._listeners.append(listener)

    def get(self, app: AppName, stream: StreamId) -> LadderWish:
        """What is asked for; false if nothing."""
        settings = self._stored_ladders.get(app) or LadderSettings(app_name=app)
        return wish_of(settings, self._stored_broadcasts.get(app, stream))

    async def run(self) -> None:
        """Follow the store until cancelled; survives its absence."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._ladders, self._app, name=BUCKET_LADDERS))
            tasks.create_task(follow(self._broadcasts, self._broadcast, name=BUCKET_BROADCASTS))

    def _app(self, entry: Entry) -> None:
        try:
            changed = self._stored_ladders.apply(entry.key, entry.value)
        except StoredRefused as refused:
            _refuse("The app's settings are refused", entry, refused)
            return
        if changed:
            self._tell(AppName(entry.key))

    def _broadcast(self, entry: Entry) -> None:
        try:
            app = self._stored_broadcasts.apply(entry.key, entry.value)
        except StoredRefused as refused:
            _refuse("The broadcast's settings are refused", entry, refused)
            return
        if app is not None:
            self._tell(app)

    def _tell(self, app: AppName) -> None:
        for listener in self._listeners:
            listener(app)


def _refuse(sentence: str, entry: Entry, refused: StoredRefused) -> None:
    metrics.REFUSED.labels("settings").inc()
    log.warning(sentence, key=entry.key, reason=str(refused))
