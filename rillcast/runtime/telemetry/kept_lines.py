"""The latest log lines of this process, in memory, for operators who read them by REST.

What is kept is what was written: a line that was left out of the log is not here either. Lines look as those of
Logback do, since panels made for Ant Media Server take them apart.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import NamedTuple

MOST_BYTES = 1_000_000
"""When there are more, the older half is forgotten, as a log file does that is rotated."""
MOST_LINE_BYTES = 16_000
"""A longer line is cut, and says so."""
_CUT = " … (cut)"


class Page(NamedTuple):
    """A part of what is kept."""

    text: str
    size: int
    """Of the text, in bytes of UTF-8."""
    total: int
    """How many bytes are kept in all."""


class KeptLines:
    """Takes lines from any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._bytes = bytearray()

    def __len__(self) -> int:
        """Bytes that are kept."""
        return len(self._bytes)

    def keep(self, line: str) -> None:
        """One entry of the log, without the end of its last line."""
        entry = line.encode("utf-8", "backslashreplace")
        if len(entry) > MOST_LINE_BYTES:
            entry = entry[:MOST_LINE_BYTES].decode("utf-8", "ignore").encode() + _CUT.encode()
        with self._lock:
            self._bytes += entry + b"\n"
            if len(self._bytes) > self._most:
                begin = self._bytes.find(b"\n", len(self._bytes) - self._most // 2) + 1
                del self._bytes[: begin or len(self._bytes)]

    def page(self, offset: int, size: int) -> Page:
        """At most `size` bytes from `offset` on; an offset of -1 gives the last ones. Half a character at either end is
        left out of the text."""
        with self._lock:
            total = len(self._bytes)
            begin = max(0, total - size) if offset == -1 else max(0, offset)
            part = bytes(self._bytes[begin : begin + max(0, size)])
        return Page(part.decode("utf-8", "ignore"), len(part), total)


class Kept(NamedTuple):
    """What a process keeps of its log."""

    all: KeptLines
    errors: KeptLines
    """Those of the level ERROR alone."""

    def keep(self, record: logging.LogRecord, fields: str, trace: str) -> None:
        """Keep what was written of a record: its sentence, its fields in one line, and a traceback if it has one."""
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        level = {"WARNING": "WARN", "CRITICAL": "ERROR"}.get(record.levelname, record.levelname)
        thread = (record.threadName or "main").replace("]", ")")
        line = f"{clock},{int(record.msecs):03d} [{thread}] {level:<5} {record.name} - {record.getMessage()}"
        entry = "".join([line, f"  {fields}" if fields else "", f"\n{trace}" if trace else ""])
        self.all.keep(entry)
        if record.levelno >= logging.ERROR:
            self.errors.keep(entry)


def kept() -> Kept:
    """Lines of the log, of which there are none yet."""
    return Kept(KeptLines(), KeptLines(MOST_BYTES // 4))
