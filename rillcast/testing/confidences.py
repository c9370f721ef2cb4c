"""What a process tells about its clients: log lines and spans. For tests that look for what must not be there."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.testing.spans import recorded_spans


class Told:
    """Everything that was logged, at every level and with its fields, and every span that has ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.exporter = exporter
        self._lines: list[str] = []

    @property
    def logs(self) -> str:
        """Every record of the log with its fields, one a line."""
        return "\n".join(self._lines)

    @property
    def spans(self) -> str:
        """Every span that has ended, as a line of JSON."""
        return "\n".join(span.to_json(indent=None) for span in self.exporter.get_finished_spans())

    def hear(self, record: logging.LogRecord) -> None:
        """One more log record."""
        shown = logging.Formatter().format(record)
        self._lines.append(f"{shown} {record.__dict__}")


class _Ear(logging.Handler):
    def __init__(self, told: Told) -> None:
        super().__init__(logging.DEBUG)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.hear(record)


@contextmanager
def overheard() -> Iterator[Told]:
    """Record what is told during the block."""
    root = logging.getLogger()
    level = root.level
    with recorded_spans() as exporter:
        told = Told(exporter)
        ear = _Ear(told)
        root.addHandler(ear)
        root.setLevel(logging.DEBUG)
        try:
            yield told
        finally:
            root.setLevel(level)
            root.removeHandler(ear)


def spoilt(sdp: str, mark: str) -> Iterator[str]:
    """The session description, each time with `mark` in one line: in place of its value, of a word of it, and behind
    it. Most of them are broken."""
    lines = sdp.splitlines()
    for at, line in enumerate(lines):
        key, separator, value = line.partition(":" if line.startswith("a=") else "=")
        words = re.split(r"([ ;/=]+)", value)
        others = {f"{line}{mark}", f"{key}{separator}{mark}", f"{key}{mark}{separator}{value}"} | {
            f"{key}{separator}{''.join([*words[:n], mark, *words[n + 1 :]])}" for n in range(0, min(len(words), 5), 2)
        }
        for other in sorted(others):
            yield "\r\n".join([*lines[:at], other, *lines[at + 1 :], ""])
