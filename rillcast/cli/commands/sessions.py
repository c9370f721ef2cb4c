"""`rillcast sessions`: the last joins and their fates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Literal

import typer
from rich.text import Text

from rillcast.cli.commands.streams import AppOption, Most
from rillcast.cli.faults import WrongUse
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.showing import printable, say, show_facts, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import at, lasting, past_ms
from rillcast.client import paged
from rillcast.client.shapes import JoinMove, JoinStatus

app = group("The last joins, and what became of them.")
State = Literal["live", "over", "refused", "failed", "lost"]
_STYLES = {"live": "green", "refused": "red", "failed": "red", "lost": "yellow"}
COLUMNS = (
    Column(title="asked (UTC)"),
    Column(title="stream", shortest=12, middle=True),
    Column(title="as"),
    Column(title="state"),
    Column(title="reason", shortest=8, drop=1),
    Column(title="up after", right=True, drop=6),
    Column(title="lasted", right=True, drop=4),
    Column(title="node", shortest=8, middle=True, drop=2),
    Column(title="last move (up after)", shortest=20, drop=3),
    Column(title="who", shortest=8, drop=5),
    Column(title="from", shortest=9, drop=7),
    Column(title="media after", right=True, drop=8),
    Column(title="zone", drop=9),
)


@app.command("list")
@asks
def list_sessions(
    where: Where,
    *,
    app: AppOption = "",
    stream: Annotated[str, typer.Option(help="Only those of this stream.")] = "",
    role: Annotated[Literal["publish", "play"] | None, typer.Option("--as", help="Only these.")] = None,
    node: Annotated[str, typer.Option(help="Only those that are, or were, at this origin or edge.")] = "",
    zone: Annotated[str, typer.Option(help="Only those at nodes of this zone.")] = "",
    who: Annotated[str, typer.Option("--subscriber", help="Only those of this subscriber.")] = "",
    reason: Annotated[str, typer.Option(help="Only those that ended, or came to nothing, for this reason.")] = "",
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    since: Annotated[
        str, typer.Option(help="Only those that were there then or later: 20:31 (UTC), 15m (ago), 2026-12-24T18:00Z.")
    ] = "",
    until: Annotated[str, typer.Option(help="Only those that were there then or before.")] = "",
    most: Most = 50,
    long: Annotated[bool, typer.Option("--long", help="All that is known of each, on lines of its own.")] = False,
    as_json: AsJson = False,
) -> None:
    """The newest first. "up after" and "media after" count from when the join was asked for; "last move" says when it
    had to leave which node, and how long it took until it was up at another one.

    Whoever was there at 20:31: --since 20:31 --until 20:31.
    """
    if long and as_json:
        raise WrongUse("--long and --json are two forms of the same")
    since_ms, until_ms = past_ms(since), past_ms(until, end=True)
    with where.asking() as client:
        found = paged(
            lambda offset, size: client.sessions.list_sessions(
                app=app or None,
                stream=stream or None,
                role=role,
                node=node or None,
                zone=zone or None,
                who=who or None,
                reason=reason or None,
                state=state,
                since=since_ms or None,
                until=until_ms or None,
                offset=offset,
                size=size,
            )
        )
        if long:
            _show_long(islice(found, most))
        else:
            show_list(islice(found, most), COLUMNS, _cells, as_json=as_json, nothing="no such join is known")


def _cells(one: JoinStatus) -> list[Text | str]:
    asked = one.asked_ms or one.ended_ms or 0
    return [
        at(asked / 1_000)[5:] or NOTHING,
        Text.assemble((f"{printable(one.app)}/", "dim"), (printable(one.stream), "bold")),
        one.role.value,
        Text(one.state, style=_STYLES.get(one.state, "")),
        one.reason or NOTHING,
        _after(one.connected_ms, asked) or NOTHING,
        _lasted(one) or NOTHING,
        one.node or NOTHING,
        _last_move(one) or NOTHING,
        printable(one.who) or NOTHING,
        printable(one.address) or NOTHING,
        _after(one.media_ms, asked) or NOTHING,
        printable(one.zone) or NOTHING,
    ]


def _show_long(joins: Iterable[JoinStatus]) -> None:
    first = True
    for one in joins:
        if not first:
            say("")
        first = False
        show_facts(dict(_facts(one)), one, as_json=False)
    if first:
        say("no such join is known")


def _facts(one: JoinStatus) -> Iterator[tuple[str, str]]:
    asked = one.asked_ms or one.ended_ms or 0
    yield "stream", f"{printable(one.app)}/{printable(one.stream)}, {one.role.value}"
    yield "state", f"{one.state}: {one.reason}" if one.reason else one.state
    yield "who", printable(one.who)
    yield "from", printable(one.address)
    yield "asked", f"{at(asked / 1_000)} UTC, at {one.instance}"
    yield "node", f"{one.node} in {printable(one.zone)}" if one.zone else one.node
    for name, moment in (("opened", one.opened_ms), ("connected", one.connected_ms), ("media", one.media_ms)):
        yield name, (after := _after(moment, asked)) and f"after {after}"
    left_out = one.moves - len(one.trail)
    for number, move in enumerate(one.trail, left_out + 1):
        yield f"move {number}", f"{at(move.at_ms / 1_000)} UTC {_moved(move)}"
    if one.ended_ms and one.connected_ms:
        yield "ended", f"{at(one.ended_ms / 1_000)} UTC, after {_lasted(one)}"


def _lasted(one: JoinStatus) -> str:
    return lasting((one.ended_ms - one.connected_ms) / 1_000) if one.ended_ms and one.connected_ms else ""


def _last_move(one: JoinStatus) -> str:
    if not one.trail:
        return ""
    move = one.trail[-1]
    times = f"{one.moves}× " if one.moves > 1 else ""
    return f"{times}{at(move.at_ms / 1_000)[11:]} {move.left} ({_gap(move)})"


def _moved(move: JoinMove) -> str:
    """From where to where, and for how long nothing came."""
    return f"from {move.left} to {move.node or 'nowhere'} ({move.why}), up after {_gap(move)}"


def _gap(move: JoinMove) -> str:
    return NOTHING if move.back_ms is None else f"{(move.back_ms - move.at_ms) / 1_000:.1f} s"


def _after(moment_ms: int | None, asked_ms: int) -> str:
    return "" if moment_ms is None else f"{max(0, moment_ms - asked_ms)} ms"
