"""The file of a backup: text, one record on each line, each with a checksum over all that comes before it.

    rillcast-backup 1
    <checksum> {"made_at": "2026-12-24T18:00:00Z", "version": "1.2.0"}
    <checksum> ["rillcast_apps", "live", "<the value in base64>"]        null: the key was deleted meanwhile
    <checksum> {"records": {"rillcast_apps": 1}, "at_one_moment": true}  the end

A key may stand there more than once; its last line counts. The checksum is 16 hexadecimal digits of the SHA-256 over
the first line and the texts of all further ones, this one included. So a line that was changed, lost or moved is named,
and so is the line in which a file was cut. Whoever can write the file can make it anew: it proves nothing about who
wrote it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, TypeVar

import msgspec

from rillcast.cli.faults import CannotGoOn

FORMAT = 1
MAGIC = b"rillcast-backup "
MOST_LINE = 2 * 1024 * 1024
"""Bytes of a line: the largest value that the store takes, in base64, and its key."""
_DIGITS = 16
Wanted = TypeVar("Wanted")


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the store. None: the key was deleted after an earlier line."""

    bucket: str
    key: str
    value: bytes | None


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the backup was made (UTC, ISO 8601), and by which version."""

    made_at: str
    version: str


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many lines each bucket has, and whether all buckets are as they were at one moment."""

    records: dict[str, int]
    at_one_moment: bool


_HEAD = msgspec.json.Decoder(Head)
_RECORD = msgspec.json.Decoder(Record)
_END = msgspec.json.Decoder(End)


class Writer:
    """Writes one backup. Raises OSError."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.records: Counter[str] = Counter()
        """Lines of each bucket so far."""
        first = MAGIC + b"%d\n" % FORMAT
        file.write(first)
        self._sum.update(first)
        self._line(head)

    def add(self, record: Record) -> None:
        """Write a record. Its key may have come before; then this one counts."""
        self.records[record.bucket] += 1
        self._line(record)

    def end(self, *, at_one_moment: bool) -> None:
        """Call last: without it the file counts as cut off."""
        self._line(End(dict(self.records), at_one_moment))
        self._file.flush()

    def _line(self, what: msgspec.Struct) -> None:
        text = msgspec.json.encode(what) + b"\n"
        self._sum.update(text)
        self._file.write(self._sum.hexdigest()[:_DIGITS].encode() + b" " + text)


class Reader:
    """Reads one backup, line by line. Raises CannotGoOn with what is wrong, and in which line."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`name` is how sentences call the file."""
        self._file = file
        self._name = name
        self._number = 1
        self._sum = hashlib.sha256()
        self._first()
        self.head = self._decoded(self._text(), _HEAD)
        self.end: End | None = None
        """Known when `records` has come to it."""

    def records(self) -> Iterator[Record]:
        """All of them in their order. Call it once. The file is known to be whole only when the last one was given."""
        seen: Counter[str] = Counter()
        while (text := self._text()).startswith(b"["):
            record = self._decoded(text, _RECORD)
            seen[record.bucket] += 1
            yield record
        end = self._decoded(text, _END)
        if end.records != seen:
            raise self._fault(f"line {self._number} counts other records than there are")
        if self._file.read(1):
            raise self._fault(f"something follows its end, which is line {self._number}")
        self.end = end

    def fault_at(self, why: str) -> CannotGoOn:
        """About the record that was given last."""
        return self._fault(f"line {self._number}: {why}")

    def _first(self) -> None:
        line = self._file.readline(len(MAGIC) + 20)
        self._sum.update(line)
        if not line.startswith(MAGIC):
            raise CannotGoOn(f"{self._name} is no backup of Rillcast's store")
        found = line.removeprefix(MAGIC)
        if found != b"%d\n" % FORMAT:
            words = found.decode("ascii", "replace").strip()
            raise CannotGoOn(f"{self._name} has format {words!r}; this version of Rillcast reads format {FORMAT}")

    def _text(self) -> bytes:
        line = self._file.readline(MOST_LINE)
        self._number += 1
        if not line:
            raise self._fault(f"it is cut off behind line {self._number - 1}: its end is missing")
        if not line.endswith(b"\n"):
            where = f"line {self._number}"
            raise self._fault(f"{where} is too long" if len(line) >= MOST_LINE else f"it is cut off in {where}")
        text = line[_DIGITS + 1 :]
        self._sum.update(text)
        if line[: _DIGITS + 1] != self._sum.hexdigest()[:_DIGITS].encode() + b" ":
            raise self._fault(f"line {self._number} is damaged, or one before it is missing: the checksum is another")
        return text

    def _decoded(self, text: bytes, decoder: msgspec.json.Decoder[Wanted]) -> Wanted:
        try:
            return decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._fault(f"line {self._number} makes no sense: {error}") from None

    def _fault(self, why: str) -> CannotGoOn:
        return CannotGoOn(f"{self._name} cannot be used: {why}")
