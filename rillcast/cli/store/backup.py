"""Reading the store into a file, one entry at a time, while the cluster goes on.

Each bucket is read up to its end, so the file has it as it was at one moment. The buckets are then looked at again, and
what was written meanwhile is added, until none has changed from one look to the next: then all of them are as they were
at one moment between the two (the double collect of Afek et al., Atomic Snapshots of Shared Memory, 1993).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.store.contents import Kept
from rillcast.cli.store.doors import Opened, patiently, store
from rillcast.cli.store.file import Head, Record, Writer
from rillcast.runtime.process.version import product_version

SETTLE_S = 10.0
"""For so long the buckets are looked at again, in the hope of a moment at which none of them changes."""


@dataclass(frozen=True)
class Made:
    """How many records are in the file, and whether all buckets are of one moment."""

    records: int
    at_one_moment: bool


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that only its owner can read. It has its name when the block has ended without an exception; before that,
    and after one, there is none. Raises CannotGoOn, also when there is a file of this name."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    if path.exists():
        raise CannotGoOn(f"{path} is there already, and a backup is never overwritten")
    with writing(path):
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, path)  # unlike a rename it fails where somebody was faster
        finally:
            with suppress(OSError):
                unfinished.unlink()


async def back_up(file: BinaryIO, running: RunFolder, keys: Path | None) -> Made:
    """Write all that lasts of the store. Raises CannotGoOn, and OSError when the file can't be written."""
    async with store(running, keys, makes=False) as buckets:
        writer = Writer(file, Head(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", product_version()))
        at_one_moment = await _collect(buckets, writer)
        writer.end(at_one_moment=at_one_moment)
        return Made(writer.records.total(), at_one_moment)


async def _collect(buckets: Mapping[Kept, Opened], writer: Writer) -> bool:
    """Whether the buckets are in the file as they were at one moment."""
    read = dict.fromkeys(buckets, 0)
    loop = asyncio.get_running_loop()
    until: float | None = None
    while True:
        before = dict(read)
        for kept, bucket in buckets.items():
            read[kept] = await _read(kept, bucket, read[kept], writer)
        if until is not None and read == before:
            return True
        until = until or loop.time() + SETTLE_S
        if loop.time() > until:
            return False


async def _read(kept: Kept, bucket: Opened, behind: int, writer: Writer) -> int:
    """Write what was written behind this revision; how far that goes."""
    # Markers of keys that were deleted before this began are of no use, and there may be very many.
    old = await patiently(bucket.walk.last) if behind == 0 else 0
    while (entry := await patiently(partial(bucket.walk.after, behind))) is not None:
        behind = entry.revision
        if entry.key in kept.left_out or (entry.value is None and behind <= old):
            continue
        writer.add(Record(kept.bucket.name, entry.key, entry.value))
    return behind
