"""The records of streams that the store holds, found by their app and stream, as last heard of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from rillcast.contracts.ids import AppName, StreamId


class OfStream(Protocol):
    """What a record must have to be found by its app and its stream."""

    @property
    def app(self) -> AppName: ...

    @property
    def stream(self) -> StreamId: ...


Record = TypeVar("Record", bound=OfStream)


class RecordIndex(Generic[Record]):
    """As large as the bucket, whose writers keep to a limit."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[Record, int]] = {}
        self._keys: dict[AppName, dict[StreamId, dict[str, None]]] = {}
        self._counts: dict[AppName, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def count(self, app: AppName) -> int:
        """How many there are of an app."""
        return self._counts.get(app, 0)

    def get(self, key: str) -> Record | None:
        """What lies under a key."""
        found = self._records.get(key)
        return found[0] if found is not None else None

    def of(self, app: AppName, stream: StreamId) -> Iterator[Record]:
        """Those of a stream, in no order."""
        for key in self._keys.get(app, {}).get(stream, ()):
            yield self._records[key][0]

    def has(self, app: AppName, stream: StreamId) -> bool:
        """Whether there are any of a stream. Costs less than a microsecond."""
        return stream in self._keys.get(app, ())

    def items(self) -> list[tuple[str, Record]]:
        """All of them at this moment."""
        return [(key, record) for key, (record, _) in self._records.items()]

    def put(self, key: str, record: Record | None, revision: int) -> None:
        """What lies under a key now, None for nothing. An older revision than the one that is known changes nothing."""
        before = self._records.get(key)
        if before is not None and revision < before[1]:
            return
        if before is not None:
            self._drop(key, before[0])
        if record is not None:
            self._records[key] = (record, revision)
            self._keys.setdefault(record.app, {}).setdefault(record.stream, {})[key] = None
            self._counts[record.app] = self._counts.get(record.app, 0) + 1

    def forget(self, key: str) -> None:
        """Nothing lies under a key any more, since the store has let it expire."""
        before = self._records.get(key)
        if before is not None:
            self._drop(key, before[0])

    def _drop(self, key: str, record: Record) -> None:
        del self._records[key]
        of_app = self._keys[record.app]
        del of_app[record.stream][key]
        if not of_app[record.stream]:
            del of_app[record.stream]
        self._counts[record.app] -= 1
        if not of_app:
            del self._keys[record.app], self._counts[record.app]
