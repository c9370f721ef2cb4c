"""A trace as a tree in the terminal, and where its time went. Decides and draws; asks nobody."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from rillcast.cli.fitting_table import GAP
from rillcast.cli.showing import printable
from rillcast.cli.words import at
from rillcast.client.shapes import TracedSpan, TraceStatus

BAR, SHORT_BAR, ROOMY = 32, 16, 110
"""Columns of the time line: the short one where the terminal has fewer columns than `ROOMY`."""
LEAST_NAME = 12
"""Columns of a name, however little room there is."""
SHOWN_PARTS = 5
NOBODY = "nothing that is traced"
_STYLES = {"signaling": "cyan", "edge": "green", "origin": "magenta", "transcoder": "yellow", "license": "blue"}
_SAID = (
    "rillcast.parent",
    "rillcast.kind",
    "rillcast.outcome",
    "rillcast.cancelled",
    "rillcast.node",
    "rillcast.moved",
    "rillcast.until",
    "rillcast.corrected",
)
"""Attributes that are shown behind a name."""


class Row(NamedTuple):
    """One line of the tree."""

    span: TracedSpan
    lines: str
    """What connects it with its parent."""
    depth: int


def rows_of(spans: Sequence[TracedSpan]) -> Iterator[Row]:
    """Each span below its parent. One whose parent is not there is a root."""
    ids = {span.span for span in spans}
    children: dict[str, list[TracedSpan]] = defaultdict(list)
    for span in sorted(spans, key=lambda one: one.began_us):
        children[span.parent if span.parent in ids and span.parent != span.span else ""].append(span)

    def below(parent: str, prefix: str, depth: int) -> Iterator[Row]:
        """Not by recursion without end: spans of a strange node could be each other's parents, and then have none
        here."""
        found = children.pop(parent, [])
        for number, span in enumerate(found):
            last = number == len(found) - 1
            yield Row(span, "" if not depth else f"{prefix}{'└─ ' if last else '├─ '}", depth)
            yield from below(span.span, "" if not depth else f"{prefix}{'   ' if last else '│  '}", depth + 1)

    yield from below("", "", 0)


def spent(trace: TraceStatus) -> list[tuple[str, str, int]]:
    """Where the time of the trace went: name, node, microseconds, the longest first. Each moment counts for the deepest
    span under way; the sum is the whole trace."""
    rows = list(rows_of(trace.spans))
    edges = sorted({moment for row in rows for moment in (row.span.began_us, row.span.began_us + row.span.took_us)})
    found: Counter[tuple[str, str]] = Counter()
    for begin, end in pairwise(edges):
        active = [row for row in rows if row.span.began_us <= begin < row.span.began_us + row.span.took_us]
        deepest = max(active, key=lambda row: (row.depth, row.span.began_us), default=None)
        where = (NOBODY, "") if deepest is None else (deepest.span.name, deepest.span.node)
        found[where] += end - begin
    return [(name, node, took_us) for (name, node), took_us in found.most_common()]


def drawn(trace: TraceStatus) -> RenderableType:
    """All of it, for people."""
    return Group(_title(trace), _Tree(trace), _where(trace))


def _title(trace: TraceStatus) -> Text:
    text = Text().append(printable(trace.name) or "(its root is under way, or not in memory any more)", style="bold")
    if trace.stream:
        text.append(f"  {printable(trace.app)}/{printable(trace.stream)}", style="bold cyan")
    text.append(f"  {_ms(trace.took_us)}")
    if trace.error:
        text.append(f"  {printable(trace.error)}", style="bold red")
    text.append(f"\n{at(trace.began_us / 1e6)} UTC  trace {trace.trace}", style="dim")
    if trace.session:
        text.append(f"  session {printable(trace.session)}", style="dim")
    if not trace.whole:
        text.append("\nSome of its spans are under way, or not in memory any more.", style="yellow")
    return text.append("\n")


class _Tree:
    """The spans, one on each line. Where there is little room the time line is short, and names are cut."""

    def __init__(self, trace: TraceStatus) -> None:
        self._trace = trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """For `Console.print`."""
        trace = self._trace
        bar = BAR if options.max_width >= ROOMY else SHORT_BAR
        rows = list(rows_of(trace.spans))
        cells = [
            (printable(row.span.node), _ms(row.span.began_us - trace.began_us), _ms(row.span.took_us)) for row in rows
        ]
        others = sum(max(map(cell_len, column)) for column in zip(*cells, strict=True))
        room = max(LEAST_NAME, options.max_width - bar - others - 4 * GAP)
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("span", no_wrap=True)
        table.add_column("node", no_wrap=True)
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("took", justify="right", no_wrap=True)
        table.add_column(f"0 … {_ms(trace.took_us)}", no_wrap=True, min_width=bar)
        for row, (node, after, took) in zip(rows, cells, strict=True):
            name = _name(row)
            name.truncate(room, overflow="ellipsis")
            style = _STYLES.get(row.span.service.value, "")
            drawn_bar = _bar(row.span, trace, "red" if row.span.error else style, bar)
            table.add_row(name, Text(node, style=style), after, took, drawn_bar)
        yield table


def _name(row: Row) -> Text:
    span = row.span
    name = Text().append(row.lines, style="dim").append(printable(span.name), style="red" if span.error else "")
    if span.error:
        name.append(f"  {printable(span.error)}", style="bold red")
    return name.append("".join(f"  {part}" for part in _said(span)), style="dim")


def _said(span: TracedSpan) -> Iterator[str]:
    for key in _SAID:
        if key in span.attributes:
            yield f"{key.rpartition('.')[2]}={printable(str(span.attributes[key]))}"


def _bar(span: TracedSpan, trace: TraceStatus, style: str, columns: int) -> Text:
    whole = max(1, trace.took_us)
    begin = min(columns - 1, max(0, (span.began_us - trace.began_us) * columns // whole))
    long = max(1, min(columns - begin, round(span.took_us * columns / whole)))
    return Text(" " * begin).append("━" * long, style=style)


def _where(trace: TraceStatus) -> Text:
    text = Text().append("\nwhere the time went\n", style="dim")
    parts, whole = spent(trace), max(1, trace.took_us)
    for name, node, took_us in parts[:SHOWN_PARTS]:
        share = f"{100 * took_us / whole:.0f} %"
        text.append(f"  {share:>5}  {_ms(took_us):>9}  ", style="").append(printable(name))
        text.append(f"  {printable(node)}\n" if node else "\n", style="dim")
    if rest := sum(took_us for _, _, took_us in parts[SHOWN_PARTS:]):
        text.append(f"  {100 * rest / whole:4.0f} %  {_ms(rest):>9}  all others\n", style="dim")
    return text


def _ms(microseconds: int) -> str:
    if abs(microseconds) >= 10_000_000:
        return f"{microseconds / 1e6:.1f} s"
    return f"{microseconds / 1_000:.1f} ms" if abs(microseconds) < 100_000 else f"{microseconds / 1_000:.0f} ms"
