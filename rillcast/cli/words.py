"""What people type and read: streams, spans of time, moments, values of settings."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from rillcast.cli.faults import CannotGoOn

_SPAN = re.compile(r"([0-9]{1,9})([smhd])?")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
YEAR_9999_S = 253_402_300_799
MOST_SECRET = 4_096


class StreamPath(NamedTuple):
    """A stream as tables show it."""

    app: str
    stream: str

    def __str__(self) -> str:
        return f"{self.app}/{self.stream}"


def stream_path(text: str) -> StreamPath:
    """``live/talk``. Raises `typer.BadParameter`."""
    app, slash, stream = text.partition("/")
    if not (app and slash and stream):
        raise typer.BadParameter(f"{text!r} must name an app and a stream, like live/talk")
    return StreamPath(app, stream)


def span_s(text: str) -> int:
    """``90``, ``90s``, ``15m``, ``2h`` or ``7d`` in seconds. Raises `typer.BadParameter`."""
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} must be a number of seconds, or like 15m, 2h or 7d")
    return int(match[1]) * _UNITS_S[match[2] or "s"]


def moment_s(text: str) -> int:
    """``2h`` from now, or ``2026-12-24T18:00Z``, in Unix seconds; never past. Raises `typer.BadParameter`."""
    now_s = int(time.time())
    if _SPAN.fullmatch(text.strip()):
        found = now_s + span_s(text)
    else:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise typer.BadParameter(f"{text!r} must be like 2h, 7d or 2026-12-24T18:00Z") from None
        found = int((at if at.tzinfo else at.astimezone()).timestamp())
    if found <= now_s:
        raise typer.BadParameter(f"{text!r} is over already")
    if found > YEAR_9999_S:
        raise typer.BadParameter(f"{text!r} is too far away")
    return found


def app_alone(text: str) -> str:
    """``live``. The server says whether there can be such an app. Raises `typer.BadParameter`."""
    if not text or "/" in text:
        raise typer.BadParameter(f"{text!r} must name an app, and nothing else")
    return text


Path_ = Annotated[
    StreamPath, typer.Argument(parser=stream_path, metavar="APP/STREAM", help="The stream, as `streams` shows it.")
]
App = Annotated[str, typer.Argument(parser=app_alone, metavar="APP", help="The app.")]


def past_ms(text: str, *, end: bool = False) -> int:
    """``15m`` ago, ``20:31`` or ``20:31:05`` when it was that time last (UTC), or ``2026-12-24T18:00Z``, in Unix
    milliseconds; 0 for nothing. `end`: of a minute its end. Raises `typer.BadParameter`."""
    text = text.strip()
    if not text:
        return 0
    now = datetime.now(UTC)
    if _SPAN.fullmatch(text):
        return max(1, int(now.timestamp() - span_s(text)) * 1_000)
    try:
        found = datetime.fromisoformat(f"{now:%Y-%m-%d}T{text}Z" if _CLOCK.fullmatch(text) else text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} must be like 15m, 20:31 or 2026-12-24T18:00Z") from None
    found = found if found.tzinfo else found.astimezone()
    if _CLOCK.fullmatch(text) and found > now:
        found -= timedelta(days=1)
    whole_minute = end and text.count(":") == (1 if _CLOCK.fullmatch(text) else text.partition("T")[2].count(":"))
    return max(1, int(found.timestamp()) * 1_000 + (59_999 if whole_minute and not found.second else 999 if end else 0))


def at(unix_s: float) -> str:
    """A moment, to the second, in UTC; a dash for none."""
    if unix_s <= 0:
        return "–"
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "–"


def lasting(seconds: float) -> str:
    """A span of time in its two largest units."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def pair(text: str) -> tuple[str, object]:
    """``key=value``, the value as JSON where it is JSON, else as text. Raises `typer.BadParameter`."""
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise typer.BadParameter(f"{text!r} must be like key=value")
    try:
        return key, msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError):
        return key, value


def secret_in(file: Path) -> str:
    """The one line of a file. Raises CannotGoOn."""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(MOST_SECRET).strip()
    except OSError as error:
        raise CannotGoOn(f"cannot read {file}: {error.strerror}") from None
    except UnicodeError:
        raise CannotGoOn(f"{file} holds no text") from None
