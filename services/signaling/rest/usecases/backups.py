"""The backups of broadcasts, which Ant Media does not have: so its REST shows nothing of them."""

from __future__ import annotations

import msgspec

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId, is_stream_id
from services.signaling.core.usecases.broadcast_store import BroadcastStore
from services.signaling.rest.domain.parameters import App, Stream
from services.signaling.rest.domain.refusal import BadInput, Refusal, Refused
from services.signaling.rest.domain.shapes import BackupSettings, backup_settings
from services.signaling.rest.ports import KnownBroadcasts, PublishedStreams

UNKNOWN = Refusal(404, "there is no such broadcast")


class BackupWishes(msgspec.Struct, rename="camel", kw_only=True):
    """What can be set of a backup; see `BroadcastRecord`."""

    backup_stream_id: str | None = None
    backup_after_ms: int | None = None
    backup_longest_s: int | None = None


_KEYS = frozenset(field.encode_name for field in msgspec.structs.fields(BackupWishes))


class Backups:
    """One per signaling instance."""

    def __init__(self, streams: PublishedStreams, known: KnownBroadcasts, store: BroadcastStore) -> None:
        self._streams = streams
        self._known = known
        self._store = store

    async def get(self, app: App, stream: Stream) -> BackupSettings:
        """As it is set and shown now."""
        return self._shown(app, stream)

    async def change(self, app: App, stream: Stream, body: Patch[BackupWishes]) -> BackupSettings:
        """Set some of it. Raises `BadInput` for other keys and bad values, and `RillcastError`."""
        if unknown := sorted(body.posted.keys() - _KEYS):
            raise BadInput(f"there is no key {unknown[0][:80]!r}; there are {', '.join(sorted(_KEYS))}")
        self._shown(app, stream)
        live = self._streams.published(app, stream) is not None
        try:
            changed = await self._store.change(app, stream, Patch[KeptBroadcast](body.posted), live=live)
        except PatchRefused as error:
            raise BadInput(str(error)) from error
        if not changed:
            raise Refused(UNKNOWN)
        return self._shown(app, stream)

    def _shown(self, app: AppName, stream: StreamId) -> BackupSettings:
        if is_stream_id(stream):
            kept, live = self._known.get(app, stream), self._streams.published(app, stream)
            if kept is not None or live is not None:
                return backup_settings(kept, live)
        raise Refused(UNKNOWN)
