"""Tables whose rows never wrap: what doesn't fit the terminal is shortened, then left out, least important first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

NOTHING = "–"
GAP = 2
"""Spaces between columns."""
ELLIPSIS = "…"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """What may become of a column when there is no room."""

    title: str
    right: bool = False
    shortest: int = 0
    """It may be shortened to so many characters; 0 = not at all."""
    middle: bool = False
    """Shortened in the middle, since ids differ at their ends."""
    drop: int = 0
    """The highest is left out first; 0 = never."""


def printable(text: str, kept: str = "") -> str:
    """Without what would move the cursor of a terminal, colour it, or turn the direction of what follows. What is
    `kept` stays."""
    return "".join(letter if letter.isprintable() or letter in kept else "\N{REPLACEMENT CHARACTER}" for letter in text)


def cleaned(text: Text, kept: str = "") -> Text:
    """The same, with its styles."""
    if all(letter.isprintable() or letter in kept for letter in text.plain):
        return text
    clean = text.copy()
    clean.plain = printable(text.plain, kept)
    return clean


class FittingTable:
    """Takes the width it is given when it is printed."""

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Text | str]],
        *,
        after: FittingTable | None = None,
    ) -> None:
        """`rows` have a cell for each column, `NOTHING` where there is nothing to say. `title`: none if it is empty.
        `after`: the part of the same table that was printed before, whose columns are kept."""
        self._title = title
        self._columns = columns
        self._rows = [[cleaned(cell if isinstance(cell, Text) else Text(cell)) for cell in row] for row in rows]
        self._after = after
        self.widths: dict[int, int] = {}
        """Of the columns that were printed last, by their index."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For `Console.print`."""
        before = self._after.widths if self._after is not None else {}
        self.widths = widths = self._fit(options.max_width, before)
        if self._title:
            yield Text(printable(self._title), style="bold", no_wrap=True, overflow="ellipsis")
        table = Table(
            header_style="dim", box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=self._after is None
        )
        for index, width in widths.items():
            column = self._columns[index]
            table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, width=width)
        for row in self._rows:
            cells = ((self._columns[index], row[index], width) for index, width in widths.items())
            table.add_row(*(shortened(cell, width, middle=column.middle) for column, cell, width in cells))
        yield table

    def _fit(self, room: int, before: Mapping[int, int]) -> dict[int, int]:
        """Width of each column that is shown, by its index."""
        shown = before or [index for index in range(len(self._columns)) if not self._says_nothing(index)]
        widths = {index: max(self._natural(index), before.get(index, 0)) for index in shown}
        if before and _total(widths) > room:
            return dict(before)
        while (excess := _total(widths) - room) > 0:
            if self._shorten(widths, excess):
                continue
            droppable = [index for index in widths if self._columns[index].drop]
            if not droppable:
                break
            del widths[max(droppable, key=lambda index: self._columns[index].drop)]
            widths = {index: self._natural(index) for index in widths}
        return widths

    def _shorten(self, widths: dict[int, int], excess: int) -> bool:
        """Take the excess from the widest that may be shortened, if all of it can be taken."""
        floors = {index: max(self._columns[index].shortest, cell_len(self._columns[index].title)) for index in widths}
        spare = {
            index: max(0, width - floors[index]) for index, width in widths.items() if self._columns[index].shortest
        }
        if sum(spare.values()) < excess:
            return False
        for _ in range(excess):
            widest = max((index for index in spare if spare[index]), key=lambda index: widths[index])
            widths[widest] -= 1
            spare[widest] -= 1
        return True

    def _natural(self, index: int) -> int:
        return max([cell_len(self._columns[index].title), *(row[index].cell_len for row in self._rows)])

    def _says_nothing(self, index: int) -> bool:
        return bool(self._columns[index].drop) and all(row[index].plain == NOTHING for row in self._rows)


def shortened(cell: Text, width: int, *, middle: bool) -> Text:
    """With an ellipsis in the middle or at the end."""
    if cell.cell_len <= width:
        return cell
    kept = max(0, width - 1)
    tail = kept // 2 if middle else 0
    return Text.assemble(cell[: kept - tail], ELLIPSIS, cell[len(cell) - tail :] if tail else "")


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + GAP * max(0, len(widths) - 1)
