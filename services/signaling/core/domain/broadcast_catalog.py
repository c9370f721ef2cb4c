"""What was set for single broadcasts, live or not, as the store has it."""

from __future__ import annotations

from rillcast.apps.backup_wish import check_backup
from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.apps.stored import StoredBroadcasts, StoredRefused
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import BroadcastRecord
from rillcast.runtime.ports import Entry


class BroadcastCatalog:
    """Entries of the broadcasts bucket go in through `apply`."""

    def __init__(self) -> None:
        self._stored = StoredBroadcasts()
        self._revisions: dict[str, int] = {}

    def get(self, app: AppName, stream: StreamId) -> BroadcastRecord | None:
        """What was set for a stream; None when nothing was."""
        return self._stored.get(app, stream)

    def of_app(self, app: AppName) -> tuple[BroadcastRecord, ...]:
        """Everything that was set for streams of an app, in no order."""
        return self._stored.of_app(app)

    @property
    def full(self) -> bool:
        """Whether there are as many broadcasts as every node keeps; then no further one is created."""
        return self._stored.full

    def apply(self, entry: Entry) -> bool:
        """Take a change of the bucket in; one that is older than what is known changes nothing. False when it is no
        broadcast: then what was known stays."""
        if entry.revision < self._revisions.get(entry.key, entry.revision):
            return True
        try:
            self._stored.apply(entry.key, entry.value)
        except StoredRefused:
            return False
        if entry.value is None:
            self._revisions.pop(entry.key, None)
        else:
            self._revisions[entry.key] = entry.revision
        return True


def changed_broadcast(current: BroadcastRecord, patch: Patch[BroadcastRecord]) -> BroadcastRecord:
    """`current` with what was posted; a null ``encoderSettingsList`` gives the rungs back to the app, as nulls do with
    the backup. Raises `PatchRefused` or `LadderRefused` that names what is wrong."""
    changed = patch.applied_to(current, keeping="streamId")
    check_backup(changed)
    check_rungs(changed.encoder_settings_list or ())
    return changed
