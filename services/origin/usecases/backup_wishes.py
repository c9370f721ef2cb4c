"""Which backup is asked for which stream, followed in the store: settings of apps, and of single broadcasts. Settings
that make no sense never displace ones that did."""

from __future__ import annotations

import asyncio

from rillcast.apps.backup_wish import BackupWish, backup_of
from rillcast.apps.stored import StoredBroadcasts, StoredLadders, StoredRefused
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import BroadcastRecord, LadderSettings
from rillcast.contracts.subjects import BUCKET_BROADCASTS, BUCKET_LADDERS
from rillcast.runtime.ports import Entry
from rillcast.runtime.store.follow import follow
from rillcast.runtime.telemetry.logs import get_logger
from services.origin import metrics
from services.origin.ports import KeyValue

log = get_logger(__name__)


class BackupWishes:
    """By app and stream. `run` belongs to a supervised task."""

    def __init__(self, apps: KeyValue, broadcasts: KeyValue) -> None:
        """`apps`: the bucket of `LadderSettings`, which have the backups of apps as well."""
        self._apps = apps
        self._broadcasts = broadcasts
        self._stored_apps = StoredLadders()
        self._stored_broadcasts = StoredBroadcasts(BroadcastRecord)

    def get(self, app: AppName, stream: StreamId) -> BackupWish | None:
        """What is asked for now; None if nothing."""
        settings = self._stored_apps.get(app) or LadderSettings(app_name=app)
        return backup_of(stream, settings, self._stored_broadcasts.get(app, stream))

    async def run(self) -> None:
        """Follow the store until cancelled; survives its absence."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(self._apps, self._app, name=BUCKET_LADDERS))
            tasks.create_task(follow(self._broadcasts, self._broadcast, name=BUCKET_BROADCASTS))

    def _app(self, entry: Entry) -> None:
        try:
            self._stored_apps.apply(entry.key, entry.value)
        except StoredRefused as refused:
            _refuse("The app's settings are refused", entry, refused)

    def _broadcast(self, entry: Entry) -> None:
        try:
            self._stored_broadcasts.apply(entry.key, entry.value)
        except StoredRefused as refused:
            _refuse("The broadcast's settings are refused", entry, refused)


def _refuse(sentence: str, entry: Entry, refused: StoredRefused) -> None:
    metrics.SETTINGS_REFUSED.inc()
    log.warning(sentence, key=entry.key, reason=str(refused))
