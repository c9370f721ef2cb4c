"""Writing a backup into the store. The whole file is read and checked before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.store.contents import KEPT, Kept
from rillcast.cli.store.doors import Opened, patiently, store
from rillcast.cli.store.file import Head, Reader, Record
from rillcast.contracts.errors import RillcastError
from rillcast.runtime.bus.envelope import MAX_MESSAGE_BYTES
from rillcast.runtime.store.nats_kv import check_key

AT_ONCE = 32
"""Writes that wait for the store's answer."""
BYTES_AT_ONCE = 4 * 1024 * 1024
_BY_NAME = {kept.bucket.name: kept for kept in KEPT}
_MOST_VALUE = MAX_MESSAGE_BYTES - 4_096
_ENDLESS = 2**63


@dataclass(frozen=True)
class Restored:
    """From when the backup is, and how many records were written and how many others deleted."""

    head: Head
    written: int
    removed: int


def check(file: BinaryIO, name: str) -> Head:
    """Read the whole file. Raises CannotGoOn with what is wrong with it."""
    reader = Reader(file, name)
    for record in reader.records():
        kept = _BY_NAME.get(record.bucket)
        if kept is None:
            raise reader.fault_at(f"this version of Rillcast restores no bucket {record.bucket!r}")
        if record.key in kept.left_out:
            raise reader.fault_at(f"{record.key!r} of {record.bucket} is never restored")
        try:
            check_key(record.key)
        except ValueError as error:
            raise reader.fault_at(str(error)) from None
        if record.value is not None and len(record.value) > _MOST_VALUE:
            raise reader.fault_at(f"the value of {record.key!r} is too large")
    return reader.head


async def restore(file: BinaryIO, path: Path, running: RunFolder, keys: Path | None, *, replace: bool) -> Restored:
    """Write what `check` has found good. `replace`: also into a store that has something, which is then removed as far
    as the file does not have it. Raises CannotGoOn."""
    async with store(running, keys, makes=True) as buckets:
        if not replace and (full := [kept.bucket.name for kept, one in buckets.items() if await _holds(kept, one)]):
            words = f"the store is not empty ({', '.join(full)}), and nothing was written"
            raise CannotGoOn(words, ["--replace puts the backup in the place of what is there"])
        writing = _Writing({kept.bucket.name: one for kept, one in buckets.items()})
        try:
            head = await writing.all_of(Reader(file, str(path)))
            removed = 0
            if replace:
                for kept, bucket in buckets.items():
                    removed += await _remove(kept, bucket, writing.began.get(kept.bucket.name, _ENDLESS))
        except (RillcastError, CannotGoOn) as error:
            said = error.message if isinstance(error, RillcastError) else error.sentence
            how = "the store has a part of the backup now; run it again with --replace"
            raise CannotGoOn(said, [how]) from None
    return Restored(head, writing.written, removed)


async def _holds(kept: Kept, bucket: Opened) -> bool:
    """Whether there is anything that a backup would hold."""
    behind = 0
    while (entry := await patiently(partial(bucket.walk.after, behind))) is not None:
        if entry.value is not None and entry.key not in kept.left_out:
            return True
        behind = entry.revision
    return False


class _Writing:
    """Many records at a time, and never two of one key."""

    def __init__(self, buckets: Mapping[str, Opened]) -> None:
        self._buckets = buckets
        self._due: dict[tuple[str, str], Record] = {}
        self._due_bytes = 0
        self.written = 0
        self.began: dict[str, int] = {}
        """The lowest revision of what was written to each bucket."""

    async def all_of(self, reader: Reader) -> Head:
        """Write them in their order."""
        for record in reader.records():
            where = (record.bucket, record.key)
            if where in self._due or len(self._due) >= AT_ONCE or self._due_bytes > BYTES_AT_ONCE:
                await self._flush()
            self._due[where] = record
            self._due_bytes += len(record.value or b"")
        await self._flush()
        return reader.head

    async def _flush(self) -> None:
        due, self._due, self._due_bytes = list(self._due.values()), {}, 0
        await asyncio.gather(*(self._write(record) for record in due))

    async def _write(self, record: Record) -> None:
        bucket = self._buckets[record.bucket]
        if record.value is None:
            await patiently(partial(bucket.kv.delete, record.key))
            return
        revision = await patiently(partial(bucket.kv.put, record.key, record.value))
        self.began[record.bucket] = min(revision, self.began.get(record.bucket, revision))
        self.written += 1


async def _remove(kept: Kept, bucket: Opened, began: int) -> int:
    """Delete what was written before the first record of the backup was; how many entries. What somebody has written
    since stays."""
    behind, removed = 0, 0
    while (entry := await patiently(partial(bucket.walk.after, behind))) is not None and entry.revision < began:
        behind = entry.revision
        if entry.value is not None and entry.key not in kept.left_out:
            removed += bool(await patiently(partial(bucket.kv.delete, entry.key, entry.revision)))
    return removed
