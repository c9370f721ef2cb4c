"""`rillcast top`: the cluster in a terminal, as it changes."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from rillcast.cli.faults import WrongUse
from rillcast.cli.operators import asking
from rillcast.cli.where import Where, asks

app = typer.Typer()


@app.command()
@asks
def top(where: Where) -> None:
    """Show nodes, streams and events as they change; who does not watch well, and why.

    Keys: 1 2 3 for the tables, / finds, s and r sort, Enter shows all of a row, d drains a node, p pauses, q quits.
    """
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        raise WrongUse("it needs a terminal; for programs there are: rillcast status, nodes, streams, sessions, events")
    from rillcast.cli.top.reading import Reading
    from rillcast.cli.top.screen import Top

    who = where.operator()
    with asking(who) as client:
        client.cluster.list_nodes()  # says in words what is wrong, before the terminal is taken
        inside = replace(who, user="", password="", session=client.session) if who.user else who
        Top(Reading(inside), who.base).run()
