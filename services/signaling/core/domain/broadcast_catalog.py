"""What was set for single broadcasts, live or not, as the store has it."""

from __future__ import annotations

import msgspec

from rillcast.apps.ladder_settings import check_rungs
from rillcast.apps.patch import Patch
from rillcast.contracts.ids import AppName, StreamId, is_app_name, is_stream_id, split_stream_key
from rillcast.contracts.records import BroadcastRecord
from rillcast.runtime.ports import Entry

MAX_BROADCASTS = 100_000
"""As many as transcoders follow."""


class BroadcastCatalog:
    """Entries of the broadcasts bucket go in through `apply`."""

    def __init__(self) -> None:
        self._by_app: dict[AppName, dict[StreamId, BroadcastRecord]] = {}
        self._revisions: dict[str, int] = {}

    def get(self, app: AppName, stream: StreamId) -> BroadcastRecord | None:
        """None when nothing was set for it."""
        return self._by_app.get(app, {}).get(stream)

    def of_app(self, app: AppName) -> tuple[BroadcastRecord, ...]:
        """All of an app, in no order."""
        return tuple(self._by_app.get(app, {}).values())

    @property
    def full(self) -> bool:
        """Whether no more can be kept."""
        return len(self._revisions) >= MAX_BROADCASTS

    def apply(self, entry: Entry) -> bool:
        """Take a change of the bucket in; one that is older than what is known changes nothing. False when it is no
        broadcast: then what was known stays."""
        try:
            app, stream = split_stream_key(entry.key)
            record = None if entry.value is None else msgspec.json.decode(entry.value, type=BroadcastRecord)
        except (ValueError, msgspec.MsgspecError):
            return False
        if not is_app_name(app) or not is_stream_id(stream):
            return False
        known = self._revisions.get(entry.key)
        if known is not None and entry.revision < known:
            return True
        if record is None:
            self._forget(entry.key, app, stream)
            return True
        if record.stream_id != stream or (known is None and self.full):
            return False
        self._revisions[entry.key] = entry.revision
        self._by_app.setdefault(app, {})[stream] = record
        return True

    def _forget(self, key: str, app: AppName, stream: StreamId) -> None:
        if self._revisions.pop(key, None) is not None:
            of_app = self._by_app[app]
            del of_app[stream]
            if not of_app:
                del self._by_app[app]


def changed_broadcast(current: BroadcastRecord, patch: Patch[BroadcastRecord]) -> BroadcastRecord:
    """`current` with what was posted; a null ``encoderSettingsList`` gives the rungs back to the app. Raises
    `PatchRefused` or `LadderRefused` that names what is wrong."""
    changed = patch.applied_to(current, keeping="streamId")
    check_rungs(changed.encoder_settings_list or ())
    return changed
