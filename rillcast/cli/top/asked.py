"""What lies over the tables: everything about one row, and a question."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from rillcast.cli.showing import printable
from rillcast.cli.top.picture import NodeRow, StreamRow
from rillcast.cli.top.tables import load_bar, since
from rillcast.cli.words import lasting


class Facts(ModalScreen[None]):
    """A name and a value on each line."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "Close")]

    def __init__(self, row: NodeRow | StreamRow) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """Called by textual."""
        row = self._row
        facts = _of_node(row) if isinstance(row, NodeRow) else _of_stream(row)
        widest = max(map(len, facts))
        lines = [
            Text.assemble((f"{name:<{widest}}  ", "dim"), value if isinstance(value, Text) else printable(value))
            for name, value in facts.items()
            if value
        ]
        with Vertical(classes="over"):
            yield Static(Text("\n").join(lines))
            yield Static(Text("Esc closes", style="dim"), classes="hint")


class Question(ModalScreen[bool]):
    """Answered by yes or no; no is what Enter says by itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        """Called by textual."""
        with Vertical(classes="over"):
            yield Static(Text(printable(self._words)))
            with Horizontal(classes="answers"):
                yield Button("No (n)", id="no")
                yield Button("Yes (y)", id="yes", variant="warning")

    def on_mount(self) -> None:
        """Called once by textual."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Called by textual."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Bound to y and n."""
        self.dismiss(yes)


def _of_node(row: NodeRow) -> dict[str, Text | str]:
    return {
        "node": row.node,
        "kind": row.kind,
        "place": row.place,
        "state": Text(printable(row.state), style=row.grade.value),
        "load": load_bar(row.load) if row.alive else "",
        "sessions": str(row.sessions),
        "streams": str(row.streams),
        "viewers": str(row.viewers),
        "suffer": Text(str(row.suffering), style="bold red") if row.suffering else "",
        "up": lasting(row.up_s) if row.alive else "",
        "version": row.version,
        "more": f"rillcast nodes show {row.node}",
    }


def _of_stream(row: StreamRow) -> dict[str, Text | str]:
    return {
        "stream": f"{row.app}/{row.stream}",
        "state": Text(printable(row.state), style=row.grade.value),
        "viewers": str(row.viewers),
        "suffer": Text(str(row.suffering), style="bold red") if row.suffering else "",
        "origin": row.origin,
        "codecs": " ".join(row.codecs),
        "renditions": " ".join(f"{height}p" for height in row.heights),
        "comes in": f"{row.kbps} kbit/s" if row.kbps else "",
        "live for": since(row.started_ms),
        "joins": f"rillcast sessions --app {row.app} --stream {row.stream}",
        "last trace": f"rillcast trace {row.app}/{row.stream}",
    }
