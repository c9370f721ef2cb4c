"""What commands print: tables and facts for people, JSON for programs. Long lists go out as they come in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from rillcast.cli.fitting_table import GAP, NOTHING, Column, FittingTable, cleaned, printable

__all__ = ["cleaned", "for_output", "in_words", "printable", "say", "show", "show_facts", "show_json", "show_list"]
PIPED_WIDTH = 1_000
"""Columns where there is no terminal to be narrow."""
CHUNK = 250
"""Rows that are laid out together, and the most that are in memory."""
Item = TypeVar("Item")
Cells = Sequence[Text | str]


def show(what: RenderableType, console: Console | None = None) -> None:
    """As wide as the terminal; whole where there is none."""
    console = console or Console()
    if isinstance(what, Text):
        what = cleaned(what, "\n")
    console.print(what, width=None if console.is_terminal or "COLUMNS" in os.environ else PIPED_WIDTH)


def say(sentence: str) -> None:
    """One line, as it is, but for what would steer the terminal."""
    Console().print(printable(sentence, "\n"), highlight=False, markup=False, soft_wrap=True)


def show_list(
    items: Iterable[Item],
    columns: Sequence[Column],
    cells: Callable[[Item], Cells],
    *,
    as_json: bool,
    nothing: str,
) -> None:
    """A row each, or one list of JSON with an entry on each line. `nothing`: what is said of an empty table."""
    if as_json:
        _print_json(items)
        return
    rows = iter(items)
    before: FittingTable | None = None
    while chunk := list(islice(rows, CHUNK)):
        table = FittingTable("", columns, [list(cells(item)) for item in chunk], after=before)
        show(table)
        before = table
    if before is None:
        show(Text(nothing, style="dim"))


def show_facts(facts: Mapping[str, object], answer: object, *, as_json: bool) -> None:
    """A name and a value on each line, without those that are None or empty; or the whole answer as JSON."""
    if as_json:
        show_json(answer)
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, "", (), [], {}):
            table.add_row(name, cleaned(value) if isinstance(value, Text) else Text(in_words(value)))
    show(table)


def show_json(answer: object) -> None:
    """One value, over several lines."""
    _write(msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n")


def in_words(value: object) -> str:
    """A value of JSON for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value)
    if value is None or value is msgspec.UNSET:
        return NOTHING
    return printable(msgspec.json.encode(value).decode())


def for_output(json: bytes) -> bytes:
    """JSON as it is, or, for a terminal, with what would steer it escaped. It means the same."""
    if not sys.stdout.isatty():
        return json
    text = json.decode()
    return "".join(one if one.isprintable() or one == "\n" else _escaped(one) for one in text).encode()


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def _print_json(items: Iterable[object]) -> None:
    entries = (msgspec.json.encode(item) for item in items)
    _write(b"[" + next(entries, b""))
    for entry in _joined(entries):
        _write(entry)
    _write(b"]\n")


def _joined(entries: Iterable[bytes]) -> Iterator[bytes]:
    for entry in entries:
        yield b",\n" + entry


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(for_output(data))
