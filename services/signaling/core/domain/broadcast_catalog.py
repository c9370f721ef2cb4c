"""What was set for single broadcasts, live or not, as the store has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rillcast.apps.backup_wish import check_backup
from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.apps.stored import Broadcast, StoredBroadcasts, StoredRefused
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId, split_stream_key
from rillcast.runtime.ports import Entry
from services.signaling.core.domain.broadcast_index import BroadcastIndex, Listed, Wanted


class BroadcastCatalog:
    """Entries of the broadcasts bucket go in through `apply`."""

    def __init__(self) -> None:
        self._stored: StoredBroadcasts[KeptBroadcast] = StoredBroadcasts(KeptBroadcast)
        self._revisions: dict[str, int] = {}
        self._indexes: dict[AppName, BroadcastIndex] = {}

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        """What was set for a stream; None when nothing was."""
        return self._stored.get(app, stream)

    def of_app(self, app: AppName) -> tuple[KeptBroadcast, ...]:
        """Everything that was set for streams of an app, in no order."""
        return self._stored.of_app(app)

    def streams(
        self, app: AppName, wanted: Wanted, others: Iterable[Listed] = (), seen: Mapping[StreamId, str] | None = None
    ) -> Sequence[StreamId]:
        """See `BroadcastIndex.streams`."""
        return self._indexes.get(app, _EMPTY).streams(wanted, others, seen)

    def of_status(self, app: AppName, *statuses: str) -> Iterator[StreamId]:
        """See `BroadcastIndex.of_status`."""
        return self._indexes.get(app, _EMPTY).of_status(*statuses)

    def subtracks(self, app: AppName, main: str) -> Iterator[StreamId]:
        """See `BroadcastIndex.subtracks`."""
        return self._indexes.get(app, _EMPTY).subtracks(main)

    def revision(self, key: str) -> int | None:
        """Of what is known under a key; None when nothing is."""
        return self._revisions.get(key)

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
            changed = self._stored.apply(entry.key, entry.value)
        except StoredRefused:
            return False
        if changed is not None:
            self._index(*split_stream_key(entry.key))
        if entry.value is None:
            self._revisions.pop(entry.key, None)
        else:
            self._revisions[entry.key] = entry.revision
        return True

    def _index(self, app: AppName, stream: StreamId) -> None:
        record = self._stored.get(app, stream)
        if record is not None:
            self._indexes.setdefault(app, BroadcastIndex()).put(record)
        elif (index := self._indexes.get(app)) is not None:
            index.drop(stream)
            if not len(index):
                del self._indexes[app]


_EMPTY = BroadcastIndex()
"""Of an app that has no broadcasts."""


def changed_broadcast(current: Broadcast, patch: Patch[Broadcast]) -> Broadcast:
    """`current` with what was posted; a null ``encoderSettingsList`` gives the rungs back to the app, as nulls do with
    the backup. Raises `PatchRefused` or `LadderRefused` that names what is wrong."""
    changed = patch.applied_to(current, keeping="streamId")
    check_backup(changed)
    check_rungs(changed.encoder_settings_list or ())
    return changed
