"""`rillcast nodes`: every node of the cluster, those included that died a short time ago."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.showing import say, show_facts, show_list
from rillcast.cli.status import load_text
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import lasting
from rillcast.contracts.status import NodeStatus

app = group("The nodes. `rillcast drain` empties one.")
COLUMNS = (
    Column(title="node", shortest=16, middle=True),
    Column(title="kind", drop=4),
    Column(title="place", shortest=8, drop=5),
    Column(title="state", shortest=12),
    Column(title="up", drop=3),
    Column(title="load", right=True),
    Column(title="streams", right=True, drop=1),
    Column(title="viewers", right=True),
    Column(title="version", drop=6),
    Column(title="note", shortest=8, drop=2),
)
Node = Annotated[str, typer.Argument(metavar="NODE", help="The node's id, as `rillcast nodes` shows it.")]


@app.command("list")
@asks
def list_nodes(where: Where, *, as_json: AsJson = False) -> None:
    """Nodes with their load."""
    with where.asking() as client:
        nodes = client.cluster.list_nodes()
    named = all(one.node.startswith(one.kind.value) for one in nodes)
    show_list(nodes, COLUMNS, partial(_cells, named=named), as_json=as_json, nothing="no node is known")


@app.command()
@asks
def show(where: Where, node: Node, *, as_json: AsJson = False) -> None:
    """Show one node with its load."""
    with where.asking() as client:
        found = next((one for one in client.cluster.list_nodes() if one.node == node), None)
    if found is None:
        raise CannotGoOn(f"there is no node {node!r}; see: rillcast nodes")
    show_facts(_facts(found), found, as_json=as_json)


@app.command()
@asks
def note(where: Where, node: Node, text: Annotated[str, typer.Argument(help="Empty takes it away.")]) -> None:
    """Write a note about a node, for all operators."""
    with where.asking() as client:
        client.cluster.write_node_note(node, note=text)
    say(f"the note about {node} is {'written' if text else 'gone'}")


@app.command()
@asks
def forget(where: Where, node: Node) -> None:
    """Take a node that died out of the list. One that is alive stays."""
    with where.asking() as client:
        client.cluster.forget_node(node)
    say(f"{node} is out of the list")


_STYLES = {"ready": "green"}
"""Of states that are told in one word; others say what is wrong."""


def _cells(one: NodeStatus, *, named: bool) -> list[Text | str]:
    """`named`: whether all ids say the kind."""
    return [
        one.node,
        NOTHING if named else one.kind.value,
        " ".join(part for part in (one.region, one.zone) if part) or NOTHING,
        Text(one.state, style=_STYLES.get(one.state, "yellow" if one.alive else "red")),
        lasting(one.up_s) if one.alive else NOTHING,
        load_text(one.load.highest()) if one.alive else NOTHING,
        str(one.streams),
        str(one.viewers),
        one.version,
        one.note or NOTHING,
    ]


def _facts(one: NodeStatus) -> dict[str, object]:
    load, tree, memory = one.load, one.tree, one.memory
    return {
        "node": one.node,
        "kind": one.kind.value,
        "place": " ".join(part for part in (one.region, one.zone) if part),
        "state": one.state,
        "version": one.version,
        "address": one.address,
        "up": lasting(one.up_s),
        "heard": f"{lasting(time.time() - one.heard_at_ms / 1000)} ago",
        "load": f"cpu {load.cpu:.0%}, packets {load.packets:.0%}, egress {load.egress:.0%}, loop {load.loop_lag:.0%}",
        "sessions": load.sessions,
        "streams": one.streams,
        "viewers": one.viewers,
        "memory": f"{memory.used_mb} of {memory.total_mb} MB" if memory else None,
        "level": tree.level if tree else None,
        "fed by": ", ".join(tree.parents) if tree else None,
        "feeds": tree.children if tree else None,
        "note": one.note,
    }
