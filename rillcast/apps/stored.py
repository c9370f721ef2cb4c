"""What was set for apps and broadcasts, as the store has it. No I/O.

Whoever follows the buckets hands every entry to `apply`. Settings that make no sense are refused and never displace
settings that did, so signaling and transcoders always agree about what is in force.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from rillcast.apps.ladder_settings import check_rungs
from rillcast.contracts.decoding import decode_json
from rillcast.contracts.ids import AppName, StreamId, is_app_name, is_stream_id, split_stream_key
from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderSettings

Settings = TypeVar("Settings", AppSettings, LadderSettings)
Broadcast = TypeVar("Broadcast", bound=BroadcastRecord)

MAX_APPS = 10_000
MAX_BROADCASTS = 100_000
"""No more are made by REST."""
MADE_AT_ONCE = 1_000
"""So many more are taken in, since several instances may each make the last one. Further ones are refused: they count
as if nothing had been set for them."""


class StoredRefused(ValueError):
    """An entry of the store that makes no sense, or is too many. The message says why."""


class _Stored(Generic[Settings]):
    """What the store has for each app."""

    def __init__(self, kind: type[Settings]) -> None:
        self._kind: type[Settings] = kind
        self._apps: dict[AppName, Settings] = {}

    def get(self, app: AppName) -> Settings | None:
        """What was set; None when nothing was."""
        return self._apps.get(app)

    def names(self) -> set[AppName]:
        """Every app for which something was set."""
        return set(self._apps)

    def apply(self, key: str, value: bytes | None) -> bool:
        """Take an entry in, with None for one that was deleted. Whether anything is different now. Raises
        `StoredRefused`."""
        app = AppName(key)
        before = self._apps.get(app)
        if value is None:
            return self._apps.pop(app, None) is not None
        settings = _settings(app, value, self._kind)
        if before is None and len(self._apps) >= MAX_APPS:
            raise StoredRefused(f"there are settings of {MAX_APPS} apps already")
        self._apps[app] = settings
        return bool(settings != before)


class StoredApps(_Stored[AppSettings]):
    """The settings of each app, as the store has them."""

    def __init__(self) -> None:
        super().__init__(AppSettings)


class StoredLadders(_Stored[LadderSettings]):
    """What each app asks transcoders for, as the store has it."""

    def __init__(self) -> None:
        super().__init__(LadderSettings)


class StoredBroadcasts(Generic[Broadcast]):
    """The records of broadcasts, as the store has them."""

    def __init__(self, kind: type[Broadcast]) -> None:
        """`kind`: how much of each record is kept."""
        self._kind: type[Broadcast] = kind
        self._by_app: dict[AppName, dict[StreamId, Broadcast]] = {}
        self._count = 0

    def get(self, app: AppName, stream: StreamId) -> Broadcast | None:
        """What was set; None when nothing was."""
        return self._by_app.get(app, {}).get(stream)

    def of_app(self, app: AppName) -> tuple[Broadcast, ...]:
        """All records of an app, in no order."""
        return tuple(self._by_app.get(app, {}).values())

    @property
    def full(self) -> bool:
        """Whether so many are known that no more are made."""
        return self._count >= MAX_BROADCASTS

    def apply(self, key: str, value: bytes | None) -> AppName | None:
        """Take an entry in, with None for one that was deleted. The app of the broadcast if anything is different now.
        Raises `StoredRefused`."""
        app, stream = _broadcast_key(key)
        before = self.get(app, stream)
        if value is None:
            self._forget(app, stream)
            return app if before is not None else None
        record = _broadcast(stream, value, self._kind)
        if before is None:
            if self._count >= MAX_BROADCASTS + MADE_AT_ONCE:
                raise StoredRefused(f"there are records of {self._count} broadcasts already")
            self._count += 1
        self._by_app.setdefault(app, {})[stream] = record
        return app if record != before else None

    def _forget(self, app: AppName, stream: StreamId) -> None:
        of_app = self._by_app.get(app, {})
        if of_app.pop(stream, None) is not None:
            self._count -= 1
            if not of_app:
                del self._by_app[app]


def _settings(app: AppName, value: bytes, kind: type[Settings]) -> Settings:
    if not is_app_name(app):
        raise StoredRefused("that is no name of an app")
    try:
        settings = decode_json(value, kind)
        check_rungs(settings.encoder_settings)
    except ValueError as error:
        raise StoredRefused(str(error)) from error
    return settings


def _broadcast_key(key: str) -> tuple[AppName, StreamId]:
    try:
        app, stream = split_stream_key(key)
    except ValueError as error:
        raise StoredRefused(str(error)) from error
    if not is_app_name(app) or not is_stream_id(stream):
        raise StoredRefused("that is no app with a stream id")
    return app, stream


def _broadcast(stream: StreamId, value: bytes, kind: type[Broadcast]) -> Broadcast:
    try:
        record = decode_json(value, kind)
        check_rungs(record.encoder_settings_list or ())
    except ValueError as error:
        raise StoredRefused(str(error)) from error
    if record.stream_id != stream:
        raise StoredRefused(f"the record is of the stream {record.stream_id[:80]!r}")
    return record
