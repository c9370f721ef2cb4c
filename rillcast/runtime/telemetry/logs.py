"""Structured logging: a static sentence, values as fields, node and trace ids added by themselves.

Text is for a person at a terminal, JSON for a collector; both go to standard error.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TextIO

import msgspec
from opentelemetry import trace

from rillcast.contracts.words import LogLevel
from rillcast.runtime import metrics
from rillcast.runtime.telemetry.kept_lines import Kept, kept

LogFormat = Literal["text", "json"]

_FIELDS = "rillcast_fields"
_CHATTY = ("httpx", "httpcore", "uvicorn", "nats", "asyncio", "urllib3", "opentelemetry")
OWN_LEVELS = {
    "debug": LogLevel.DEBUG,
    "info": LogLevel.INFO,
    "warning": LogLevel.WARN,
    "error": LogLevel.ERROR,
}
"""The levels that the settings of a process name, in the words of operators."""
_LEVELS = {
    LogLevel.ALL: logging.DEBUG,
    LogLevel.TRACE: logging.DEBUG,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.OFF: logging.CRITICAL + 1,
}
_TAGS = {logging.DEBUG: "debug", logging.INFO: "info ", logging.WARNING: "WARN ", logging.ERROR: "ERROR"}


class Logger:
    """Logs sentences with fields. Never pass tokens, secrets or SDP bodies as fields."""

    def __init__(self, name: str, fields: dict[str, object] | None = None) -> None:
        self._logger = logging.getLogger(name)
        self._fields = fields or {}

    def bind(self, **fields: object) -> Logger:
        """A logger that adds `fields` to every line."""
        return Logger(self._logger.name, {**self._fields, **fields})

    def debug(self, sentence: str, **fields: object) -> None:
        """Log something that helps to find a fault, and that nobody needs otherwise."""
        self._emit(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, **fields: object) -> None:
        """Log something that an operator may want to know about."""
        self._emit(logging.INFO, sentence, fields)

    def warning(self, sentence: str, **fields: object) -> None:
        """Log that something is wrong, and is being coped with."""
        self._emit(logging.WARNING, sentence, fields)

    def error(self, sentence: str, **fields: object) -> None:
        """Log that something is wrong that somebody has to mend."""
        self._emit(logging.ERROR, sentence, fields)

    def exception(self, sentence: str, *, raised: BaseException | None = None, **fields: object) -> None:
        """A fault of ours, with the traceback of `raised` or else of the exception being handled."""
        self._emit(logging.ERROR, sentence, fields, exc_info=raised or True)

    def _emit(
        self, level: int, sentence: str, fields: dict[str, object], *, exc_info: BaseException | bool = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            merged = {**self._fields, **fields} if self._fields else fields
            self._logger.log(level, "%s", sentence, extra={_FIELDS: merged}, exc_info=exc_info, stacklevel=3)


def get_logger(name: str) -> Logger:
    """The logger of a module: ``log = get_logger(__name__)``."""
    return Logger(name)


def configure_logging(level: str, log_format: LogFormat, node: str = "") -> None:
    """Send everything, also what libraries log, to standard error. Call again to change it."""
    handler = _Writer(sys.stderr)
    handler.setFormatter(_JsonFormatter(node) if log_format == "json" else _TextFormatter(node))
    handler.addFilter(_Sparse("opentelemetry"))
    handler.addFilter(_is_worth_a_line)
    handler.addFilter(Bounded())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _set_level(root, logging.getLevelNamesMapping()[level.upper()])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def set_log_level(level: LogLevel) -> None:
    """From now on write what is of this level or above, instead of what was configured."""
    _set_level(logging.getLogger(), _LEVELS[level])


def _set_level(root: logging.Logger, level: int) -> None:
    root.setLevel(level)
    for handler in root.handlers:  # libraries have levels of their own, of which the root's is not asked
        handler.setLevel(level)


def kept_log() -> Kept:
    """What is kept of the log of this process from the first call on."""
    _Writer.kept = _Writer.kept or kept()
    return _Writer.kept


class _Writer(logging.StreamHandler[TextIO]):
    kept: ClassVar[Kept | None] = None

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self.kept is not None:
            fields = "  ".join(f"{key}={_plain(value)}" for key, value in _fields_of(record).items())
            trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self.kept.keep(record, fields, trace)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not when uvloop says with a traceback that data has come by TLS for a connection that we have just given up."""
    error = record.exc_info[1] if record.exc_info else None
    given_up = isinstance(error, RuntimeError) and "the handler is closed" in str(error)
    return not (given_up and record.name == "asyncio" and "Fatal error on SSL protocol" in record.getMessage())


class _Sparse(logging.Filter):
    """Lets a library that complains each second about the same thing do so once a minute."""

    def __init__(self, library: str) -> None:
        super().__init__()
        self._library = library
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(self._library):
            return True
        if record.created < self._next:
            return False
        self._next = record.created + 60
        return True


class Bounded(logging.Filter):
    """Lets each place in the code write `LINES` lines in `PERIOD_S`, so that nobody fills a disk with what he provokes.
    The last of them says that others are left out, and the next one how many were. Lines for debugging are not
    counted: whoever asks for them wants them all."""

    LINES = 50
    PERIOD_S = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[tuple[str, int, int], _Place] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Called once for each, from any thread."""
        if record.levelno <= logging.DEBUG:
            return True
        place = self._places.setdefault((record.name, record.lineno, record.levelno), _Place(record.created))
        if not 0 <= record.created - place.since < self.PERIOD_S:
            left_out = place.lines - self.LINES
            place.since, place.lines = record.created, 0
            if left_out > 0:
                _add_field(record, "left_out_before", left_out)
        place.lines += 1
        if place.lines == self.LINES:
            _add_field(record, "others_left_out_for_s", round(self.PERIOD_S - (record.created - place.since)))
        elif place.lines > self.LINES:
            metrics.LOG_LINES_LEFT_OUT.inc()
        return place.lines <= self.LINES


@dataclass
class _Place:
    since: float
    lines: int = 0


def _add_field(record: logging.LogRecord, name: str, value: object) -> None:
    setattr(record, _FIELDS, {**_fields_of(record), name: value})


def _subject() -> Mapping[str, object]:
    """App, stream and session of what is done at this moment, as far as its span says them."""
    subject: Callable[[], Iterable[tuple[str, object]]] | None = getattr(trace.get_current_span(), "subject", None)
    return {} if subject is None else dict(subject())


def _trace_ids() -> tuple[str, str] | None:
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


class _TextFormatter(logging.Formatter):
    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        tag = _TAGS.get(record.levelno, record.levelname)
        parts = [f"{clock}.{int(record.msecs):03d} {tag} {self._node:<20} {record.getMessage()}"]
        parts += [f"{key}={_plain(value)}" for key, value in _fields_of(record).items()]
        ids = _trace_ids()
        if ids is not None:
            parts.append(f"trace={ids[0]}")
        line = "  ".join(parts)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonFormatter(logging.Formatter):
    def __init__(self, node: str) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._node:
            entry["node"] = self._node
        ids = _trace_ids()
        if ids is not None:
            entry["trace_id"], entry["span_id"] = ids
        for key, value in _fields_of(record).items():
            entry[f"field_{key}" if key in entry else key] = value
        for key, value in _subject().items():
            entry.setdefault(key, value)
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry, enc_hook=str).decode()


def _fields_of(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = getattr(record, _FIELDS, {})
    return fields


def _plain(value: object) -> str:
    """One line whatever the value: quoted when it holds blanks or control characters (no forged log lines)."""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    if text and text.isprintable() and not any(c in ' "=' for c in text):
        return text
    return msgspec.json.encode(text).decode()
