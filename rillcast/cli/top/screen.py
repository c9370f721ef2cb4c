"""The terminal of `rillcast top`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar, Generic, Protocol, TypeVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Input, RichLog, Static, TabbedContent, TabPane
from textual.worker import get_current_worker

from rillcast.cli.showing import cleaned, printable
from rillcast.cli.top.asked import Facts, Question
from rillcast.cli.top.picture import Grade, History, NodeRow, Picture, StreamRow
from rillcast.cli.top.tables import NODES, STREAMS, Shown, arranged, curve

Row = TypeVar("Row", NodeRow, StreamRow)
MOST_LINES = 1_000
"""Events that can be scrolled back to."""
_MARKS = {Grade.GOOD: "●", Grade.WARNING: "▲", Grade.BAD: "✖", Grade.NEUTRAL: "○"}


class Told(Protocol):
    """Who gives pictures and events, each in a thread that may wait, until `stopped` says that nobody looks."""

    def pictures(
        self, take: Callable[[Picture], None], lost: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        """Gives each picture to `take`; to `lost` why none comes at the moment."""
        ...

    def events(self, take: Callable[[Text], None], stopped: Callable[[], bool]) -> None:
        """Gives the line of each event to `take`."""
        ...

    def search(self, words: str) -> None:
        """From now on, pictures have those rows that have these words in their id."""
        ...

    def drain(self, node: str, *, undo: bool) -> str:
        """Empties a node, or takes that back. Returns what is said about it, also when it is refused."""
        ...


class Rows(DataTable[Text], Generic[Row]):
    """A table whose rows change under a cursor that stays with its row."""

    def __init__(self, columns: tuple[Shown[Row], ...], key: Callable[[Row], str], by: int, *, id: str) -> None:
        super().__init__(cursor_type="row", zebra_stripes=True, id=id)
        self._shown: tuple[Shown[Row], ...] = columns
        self._key: Callable[[Row], str] = key
        self._by = by
        self._turned = False
        self._rows: dict[str, Row] = {}
        self._order: list[str] = []

    def on_mount(self) -> None:
        """Called once by textual."""
        self._name_columns()

    def take(self, rows: tuple[Row, ...], wanted: str) -> None:
        """Show these, those with `wanted` in them."""
        found = arranged(rows, self._shown, self._by, turned=self._turned, wanted=wanted)
        self._rows = {self._key(row): row for row in found}
        order = list(self._rows)
        if order == self._order:
            for row, one in enumerate(self._rows.values()):
                for index, column in enumerate(self._shown):
                    cell = column.cell(one)
                    if self.get_cell_at((row, index)) != cell:  # type: ignore[arg-type]
                        self.update_cell_at((row, index), cell, update_width=True)  # type: ignore[arg-type]
            return
        here, top = self.under_cursor(), self.scroll_y
        self.clear()
        for key, one in self._rows.items():
            self.add_row(*(column.cell(one) for column in self._shown), key=key)
        if here is not None and here in self._rows:
            self.move_cursor(row=order.index(here), animate=False, scroll=False)
        self.scroll_to(y=top, animate=False)
        self._order = order

    def under_cursor(self) -> str | None:
        """The key of the row that the cursor is on."""
        return self._order[self.cursor_row] if 0 <= self.cursor_row < len(self._order) else None

    def row(self, key: str) -> Row | None:
        """What is known of it; None when it is gone."""
        return self._rows.get(key)

    def sort_by_next(self) -> None:
        """By the next column, in the order that says most first."""
        self._by, self._turned = (self._by + 1) % len(self._shown), False
        self._name_columns()

    def turn(self) -> None:
        """The other way round."""
        self._turned = not self._turned
        self._name_columns()

    def _name_columns(self) -> None:
        self.clear(columns=True)
        self._order = []
        for index, column in enumerate(self._shown):
            down = column.largest_first != self._turned
            mark = (" ▾" if down else " ▴") if index == self._by else ""
            self.add_column(
                Text(f"{column.title}{mark}", justify="right" if column.right else "left"), key=column.title
            )


class Curve(Static):
    """A figure with what it was before."""

    def __init__(self, title: str, id: str) -> None:
        super().__init__(id=id, classes="curve")
        self._title = title

    def take(self, values: deque[float], now: str, grade: Grade = Grade.NEUTRAL, full: float = 1.0) -> None:
        """`now`: the last of the values, as it is read. `full`: what fills the curve if nothing is larger."""
        style = "bold" if grade is Grade.NEUTRAL else f"bold {grade.value}"
        drawn = curve(values, self.size.width, full)
        self.update(Text.assemble((f"{self._title} ", "dim"), (now, style), "\n", (drawn, "cyan")))


class Top(App[None]):
    """The whole terminal, until it is left."""

    TITLE = "Rillcast"
    CSS_PATH = "screen.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "tab('nodes')", "Nodes"),
        Binding("2", "tab('streams')", "Streams"),
        Binding("3", "tab('events')", "Events"),
        Binding("slash", "search", "Find", key_display="/"),
        Binding("s", "sort", "Sort by next"),
        Binding("r", "turn", "Reverse"),
        Binding("d", "drain", "Drain"),
        Binding("p", "pause", "Pause"),
        Binding("q", "quit", "Quit"),
        Binding("escape", "leave_search", show=False),
    ]

    def __init__(self, told: Told, server: str) -> None:
        super().__init__()
        self._told = told
        self._server = server
        self._history = History()
        self._picture: Picture | None = None
        self._wanted = ""
        self._paused = False
        self._no_answer = ""

    def compose(self) -> ComposeResult:
        """Called by textual."""
        with Vertical(id="head"):
            yield Static(Text(f"asking {self._server} …", style="dim"), id="summary")
            yield Static(id="verdict")
            with Horizontal(id="curves"):
                yield Curve("viewers", id="viewers")
                yield Curve("suffer", id="suffering")
                yield Curve("busiest", id="busiest")
        with TabbedContent(initial="nodes"):
            with TabPane("Nodes", id="nodes"):
                yield Rows(NODES, lambda one: one.node, 3, id="node-rows")
            with TabPane("Streams", id="streams"):
                yield Rows(STREAMS, lambda one: f"{one.app}/{one.stream}", 1, id="stream-rows")
            with TabPane("Events", id="events"):
                yield RichLog(id="event-lines", max_lines=MOST_LINES, wrap=False, auto_scroll=True)
        yield Input(placeholder="only rows with this in them; Esc shows all", id="search")
        yield Footer()

    def on_mount(self) -> None:
        """Called once by textual."""
        self.query_one("#search").display = False
        self.query_one("#node-rows").focus()
        self.run_worker(self._read, thread=True, exclusive=False, name="pictures")
        self.run_worker(self._listen, thread=True, exclusive=False, name="events")

    def _read(self) -> None:
        worker = get_current_worker()
        self._told.pictures(self._from_thread(self.take), self._from_thread(self.lost), lambda: worker.is_cancelled)

    def _listen(self) -> None:
        worker = get_current_worker()
        self._told.events(self._from_thread(self.happened), lambda: worker.is_cancelled)

    def _from_thread(self, function: Callable[[Value], None]) -> Callable[[Value], None]:
        return lambda value: self.call_from_thread(function, value)

    def take(self, picture: Picture) -> None:
        """A moment of the cluster."""
        self._no_answer = ""
        self._history.take(picture)
        if not self._paused:
            self._picture = picture
            self._show()

    def lost(self, why: str) -> None:
        """No picture comes; the last one stays, and is told to be old."""
        self._no_answer = why
        self._say_verdict()

    def happened(self, line: Text) -> None:
        """Add the line of an event below the others."""
        self.query_one(RichLog).write(cleaned(line))

    def _show(self) -> None:
        picture = self._picture
        if picture is None:
            return
        ready = picture.node_count - picture.troubled
        self.query_one("#summary", Static).update(
            Text.assemble(
                ("Rillcast ", "bold"),
                printable(picture.version),
                ("  ·  ", "dim"),
                f"{ready} of {picture.node_count} nodes are well",
                ("  ·  ", "dim"),
                f"{picture.stream_count} live",
                ("  ·  ", "dim"),
                (printable(picture.license), picture.license_grade.value),
            )
        )
        self._say_verdict()
        busiest = picture.busiest
        history = self._history
        self.query_one("#viewers", Curve).take(history.viewers, f"{picture.viewers:,}".replace(",", " "))
        grade = Grade.BAD if picture.suffering else Grade.GOOD
        self.query_one("#suffering", Curve).take(history.suffering, str(picture.suffering), grade)
        load = f"{printable(busiest.node)} {busiest.load:.0%}" if busiest else "–"
        self.query_one("#busiest", Curve).take(history.busiest, load)
        self._node_rows.take(picture.nodes, self._wanted)
        self._stream_rows.take(picture.streams, self._wanted)

    def _say_verdict(self) -> None:
        if self._no_answer:
            grade, said = Grade.BAD, self._no_answer
        elif self._picture is not None:
            grade, said = self._picture.verdict()
        else:
            return
        paused = ("  paused", "bold reverse") if self._paused else ""
        self.query_one("#verdict", Static).update(
            Text.assemble((f"{_MARKS[grade]} ", grade.value), (printable(said), grade.value), paused)
        )

    @property
    def _node_rows(self) -> Rows[NodeRow]:
        return self.query_one("#node-rows", Rows)

    @property
    def _stream_rows(self) -> Rows[StreamRow]:
        return self.query_one("#stream-rows", Rows)

    def _table(self) -> Rows[NodeRow] | Rows[StreamRow] | None:
        active = self.query_one(TabbedContent).active
        if active == "nodes":
            return self._node_rows
        return self._stream_rows if active == "streams" else None

    def action_tab(self, name: str) -> None:
        """Bound to 1, 2, 3."""
        self.query_one(TabbedContent).active = name
        table = self._table()
        (table if table is not None else self.query_one(RichLog)).focus()

    def action_sort(self) -> None:
        """Sort the table that is seen by its next column (key s)."""
        table = self._table()
        if table is not None:
            table.sort_by_next()
            self._show()

    def action_turn(self) -> None:
        """Sort it the other way round (key r)."""
        table = self._table()
        if table is not None:
            table.turn()
            self._show()

    def action_pause(self) -> None:
        """Bound to p: the picture stands still, the curves go on."""
        self._paused = not self._paused
        self._say_verdict()

    def action_search(self) -> None:
        """Ask for the words that rows must have (key /)."""
        field = self.query_one("#search", Input)
        field.display = True
        field.focus()

    def action_leave_search(self) -> None:
        """Show all rows again (key Esc)."""
        field = self.query_one("#search", Input)
        field.value = ""
        field.display = False
        self._told.search("")
        self.action_tab(self.query_one(TabbedContent).active)

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        self._wanted = event.value.strip()
        self._show()

    @on(Input.Submitted, "#search")
    def _found(self) -> None:
        self._told.search(self._wanted)
        self.action_tab(self.query_one(TabbedContent).active)

    @on(DataTable.RowSelected)
    def _open(self, event: DataTable.RowSelected) -> None:
        key = event.row_key.value
        table = self._table()
        row = table.row(key) if table is not None and key is not None else None
        if row is not None:
            self.push_screen(Facts(row))

    def action_drain(self) -> None:
        """Bound to d: empties the node under the cursor, or takes that back, once it is confirmed."""
        name = self._node_rows.under_cursor()
        row = self._node_rows.row(name) if name is not None and self._table() is self._node_rows else None
        if row is None:
            self.notify("Choose a node first.", severity="warning")
            return
        if not row.alive:
            self.notify(
                printable(f"{row.node} is {row.state}: there is nothing to drain."), severity="warning", markup=False
            )
            return
        undo = row.drains
        words = (
            f"Let {row.node} take new work again?"
            if undo
            else f"Drain {row.node}? Its {row.sessions} sessions move to other nodes; it takes nothing new."
        )

        def answered(confirmed: bool | None) -> None:
            if confirmed:
                self.run_worker(lambda: self._drain(row.node, undo=undo), thread=True, name="drain")

        self.push_screen(Question(words), answered)

    def _drain(self, node: str, *, undo: bool) -> None:
        said = self._told.drain(node, undo=undo)
        self.call_from_thread(self._notice, said)

    def _notice(self, said: str) -> None:
        self.notify(printable(said), markup=False)


Value = TypeVar("Value")
