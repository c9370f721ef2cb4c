"""The tables of `rillcast top`: what is in their columns, and in which order their rows stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import msgspec
from rich.text import Text

from rillcast.cli.fitting_table import NOTHING
from rillcast.cli.showing import printable
from rillcast.cli.top.picture import Grade, NodeRow, StreamRow
from rillcast.cli.words import lasting

Row = TypeVar("Row")
LONGEST_CELL = 32
LONGEST_STATE = 64
_WARM, _HOT = 0.6, 0.85
_BAR = "▏▎▍▌▋▊▉█"
_BAR_CELLS = 8
_DOTS = 4
"""High is one cell."""
_LEFT, _RIGHT = (0, 0x40, 0x44, 0x46, 0x47), (0, 0x80, 0xA0, 0xB0, 0xB8)
"""The dots of a column, from below."""


class Shown(msgspec.Struct, Generic[Row], frozen=True):
    """A column: its title, what is in its cells, and by what its rows are sorted."""

    title: str
    cell: Callable[[Row], Text]
    order: Callable[[Row], object]
    """By what rows are sorted."""
    largest_first: bool = False
    right: bool = False


def text(value: str, style: str = "", longest: int = LONGEST_CELL) -> Text:
    """What clients and operators have written: shortened, and without what steers a terminal."""
    clean = printable(value)
    return Text(clean if len(clean) <= longest else f"{clean[: longest - 1]}…", style=style)


def number(value: int, *, bad: bool = False) -> Text:
    """To the right; a dash for nothing."""
    return Text(
        f"{value:,}".replace(",", " ") if value else NOTHING, style="bold red" if value and bad else "", justify="right"
    )


def load_bar(share: float) -> Text:
    """A share of a node's limits as a bar with a figure."""
    style = "green" if share < _WARM else "yellow" if share < _HOT else "red"
    eighths = min(round(share * _BAR_CELLS * 8), _BAR_CELLS * 8)
    bar = _BAR[-1] * (eighths // 8) + (_BAR[eighths % 8 - 1] if eighths % 8 else "")
    return Text.assemble((bar.ljust(_BAR_CELLS), style), f" {share:>4.0%}")


def curve(values: Iterable[float], width: int, full: float) -> str:
    """The last of the values on two lines of `width` cells, two values in each, from nothing to `full`, or to the
    largest of them. The newest is on the right."""
    shown = list(values)[-2 * width :] if width > 0 else []
    top = max([full, *shown])
    dots = [0] * (2 * width - len(shown)) + [max(1, round(value / top * 2 * _DOTS)) for value in shown]
    pairs = list(zip(dots[::2], dots[1::2], strict=True))
    return "\n".join("".join(_braille(left - below, right - below) for left, right in pairs) for below in (_DOTS, 0))


def _braille(left: int, right: int) -> str:
    """Two columns of dots, as high as they are told to be (Unicode, Braille Patterns)."""
    return chr(0x2800 + _LEFT[min(max(left, 0), _DOTS)] + _RIGHT[min(max(right, 0), _DOTS)])


def since(unix_ms: int) -> str:
    """How long ago that was."""
    return lasting(time.time() - unix_ms / 1_000) if unix_ms else NOTHING


_RANK = {Grade.BAD: 0, Grade.WARNING: 1, Grade.NEUTRAL: 2, Grade.GOOD: 3}
NODES: tuple[Shown[NodeRow], ...] = (
    Shown("node", lambda one: text(one.node, "bold"), lambda one: one.node),
    Shown("kind", lambda one: text(one.kind), lambda one: one.kind),
    Shown("place", lambda one: text(one.place or NOTHING), lambda one: one.place),
    Shown("state", lambda one: text(one.state, one.grade.value, LONGEST_STATE), lambda one: _RANK[one.grade]),
    Shown(
        "load", lambda one: load_bar(one.load) if one.alive else Text(NOTHING), lambda one: one.load, largest_first=True
    ),
    Shown("viewers", lambda one: number(one.viewers), lambda one: one.viewers, largest_first=True, right=True),
    Shown(
        "suffer", lambda one: number(one.suffering, bad=True), lambda one: one.suffering, largest_first=True, right=True
    ),
    Shown("streams", lambda one: number(one.streams), lambda one: one.streams, largest_first=True, right=True),
    Shown("sessions", lambda one: number(one.sessions), lambda one: one.sessions, largest_first=True, right=True),
    Shown(
        "up",
        lambda one: Text(lasting(one.up_s) if one.alive else NOTHING, justify="right"),
        lambda one: one.up_s,
        largest_first=True,
        right=True,
    ),
)
STREAMS: tuple[Shown[StreamRow], ...] = (
    Shown("stream", lambda one: text(f"{one.app}/{one.stream}", "bold"), lambda one: (one.app, one.stream)),
    Shown("state", lambda one: text(one.state, one.grade.value, LONGEST_STATE), lambda one: _RANK[one.grade]),
    Shown("viewers", lambda one: number(one.viewers), lambda one: one.viewers, largest_first=True, right=True),
    Shown(
        "suffer", lambda one: number(one.suffering, bad=True), lambda one: one.suffering, largest_first=True, right=True
    ),
    Shown("kbit/s", lambda one: number(one.kbps), lambda one: one.kbps, largest_first=True, right=True),
    Shown("origin", lambda one: text(one.origin or NOTHING), lambda one: one.origin),
    Shown("codecs", lambda one: text(" ".join(one.codecs) or NOTHING), lambda one: one.codecs),
    Shown(
        "renditions",
        lambda one: text(" ".join(f"{height}p" for height in one.heights) or NOTHING),
        lambda one: one.heights,
        largest_first=True,
    ),
    Shown(
        "live for", lambda one: Text(since(one.started_ms), justify="right"), lambda one: -one.started_ms, right=True
    ),
)


def arranged(rows: Sequence[Row], columns: Sequence[Shown[Row]], by: int, *, turned: bool, wanted: str) -> list[Row]:
    """Those with `wanted` in one of their cells, in the order of a column; `turned`: the other way round."""
    needle = wanted.casefold()
    found = [
        row for row in rows if not needle or any(needle in column.cell(row).plain.casefold() for column in columns)
    ]
    column = columns[by]
    found.sort(key=columns[0].order)  # type: ignore[arg-type]
    found.sort(key=column.order, reverse=column.largest_first != turned)  # type: ignore[arg-type]
    return found
