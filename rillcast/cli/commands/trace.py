"""`rillcast trace`: the latest trace of a stream or a session, as a tree."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from rillcast.cli.commands.streams import AppOption
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.showing import printable, say, show, show_json
from rillcast.cli.trace_tree import drawn
from rillcast.cli.where import AsJson, Where, asks
from rillcast.client.shapes import FoundTraces

app = typer.Typer()
What = Annotated[
    str,
    typer.Argument(
        metavar="STREAM|SESSION|TRACE", help="What it is about. Without it, any stream.", show_default=False
    ),
]


@app.command()
@asks
def trace(
    where: Where,
    what: What = "",
    *,
    app: AppOption = "",
    name: Annotated[
        str, typer.Option(help="Only those whose root has this in its name: play, publish, move, drain, webhook.")
    ] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only those in which something went wrong.")] = False,
    most: Annotated[int, typer.Option("--last", min=1, max=20, help="How many.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show what took how long, and where, across all nodes: the latest trace as a tree.

    Nodes keep their latest spans in memory, so no other program is needed. Exit code 1: there is no such trace.
    """
    with where.asking() as client:
        found = client.traces.list_traces(
            about=what or None, app=app or None, name=name or None, failed=failed or None, size=most
        )
    if as_json:
        show_json(found)
    else:
        for number, one in enumerate(found.traces):
            if number:
                say("")
            show(drawn(one))
        for line in _notes(found):
            show(Text(line, style="yellow"))
    if not found.traces:
        raise CannotGoOn(_nothing(found))


def _notes(found: FoundTraces) -> list[str]:
    notes = []
    if found.silent:
        names = ", ".join(printable(node) for node in found.silent[:5])
        more = f" and {len(found.silent) - 5} others" if len(found.silent) > 5 else ""
        notes.append(f"Not answered: {names}{more}. Their parts are missing.")
    if found.left_out:
        notes.append(f"{found.left_out} nodes were not asked, since there are so many. Their parts are missing.")
    if found.cut:
        notes.append(f"{found.cut} spans did not fit into the answers.")
    return notes


def _nothing(found: FoundTraces) -> str:
    if not found.kept:
        return f"no node keeps any spans: {found.asked} were asked (RILLCAST_TRACE_SPANS says how many they keep)"
    pushed = f", and {found.forgotten} were pushed out by newer ones" if found.forgotten else ""
    return f"no such trace is in memory: {found.asked} nodes keep {found.kept} spans{pushed}"
