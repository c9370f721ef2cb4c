"""What an app and a broadcast ask for when a publisher is gone: the stream that its viewers are shown meanwhile. No
I/O."""

from __future__ import annotations

import msgspec

from rillcast.apps.patch import PatchRefused
from rillcast.contracts.ids import StreamId
from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderSettings


class BackupWish(msgspec.Struct, frozen=True, kw_only=True):
    """The backup that is asked for one stream."""

    stream: StreamId
    """Another stream of the same app."""
    after_s: float
    """How long nothing must have come from the publisher."""
    longest_s: int
    """How long the stream outlives its publisher."""


def backup_of(
    stream: StreamId, app: LadderSettings | AppSettings, broadcast: BroadcastRecord | None
) -> BackupWish | None:
    """The app's settings, with those of the broadcast where it has its own; None without a backup. No stream is its own
    backup: the one that an app names for all others has none by the same setting."""
    own = broadcast or BroadcastRecord(stream_id=stream)
    backup = app.backup_stream_id if own.backup_stream_id is None else own.backup_stream_id
    if not backup or backup == stream:
        return None
    after_ms = app.backup_after_ms if own.backup_after_ms is None else own.backup_after_ms
    longest_s = app.backup_longest_s if own.backup_longest_s is None else own.backup_longest_s
    return BackupWish(stream=StreamId(backup), after_s=after_ms / 1_000, longest_s=longest_s)


def check_backup(record: BroadcastRecord) -> None:
    """Raises `PatchRefused` for a stream that would be its own backup."""
    if record.backup_stream_id == record.stream_id:
        raise PatchRefused(
            f"backupStreamId: {record.stream_id!r} cannot be its own backup; name another stream of the app, "
            "an empty text for none, or null for the backup of the app"
        )
