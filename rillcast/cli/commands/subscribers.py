"""`rillcast subscribers`: who shows time-based codes, or may be blocked."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from rillcast.cli.commands.streams import Most
from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.showing import printable, say, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import Path_, at, secret_in, span_s
from rillcast.client import paged
from rillcast.client.shapes import ConnectionEvent, NewSubscriber, Subscriber
from rillcast.contracts.words import Role

app = group("Subscribers of a stream.")
COLUMNS = (
    Column(title="subscriber", shortest=12, middle=True),
    Column(title="name", shortest=8, drop=3),
    Column(title="may"),
    Column(title="connections", right=True),
    Column(title="blocked", shortest=8, drop=1),
    Column(title="node", drop=2),
)
EVENT_COLUMNS = (
    Column(title="when (UTC)"),
    Column(title="subscriber", shortest=12, middle=True),
    Column(title="what"),
    Column(title="as"),
    Column(title="node", drop=1),
)
Who = Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="The subscriber's id.")]
May = Literal["publish", "play", "publish_play"]


@app.command("list")
@asks
def list_subscribers(where: Where, path: Path_, *, most: Most = None, as_json: AsJson = False) -> None:
    """The subscribers of a stream."""
    with where.asking() as client:
        found = paged(lambda offset, size: client.subscribers.list_subscribers(path.app, path.stream, offset, size))
        show_list(islice(found, most), COLUMNS, _cells, as_json=as_json, nothing=f"{path} has no subscriber")


@app.command()
@asks
def create(
    where: Where,
    path: Path_,
    who: Who,
    *,
    name: Annotated[str, typer.Option(help="For people.")] = "",
    may: Annotated[May, typer.Option(help="What it may do.")] = "publish_play",
    secret: Annotated[
        Path | None, typer.Option("--secret-file", help="File with the secret of its codes, in Base32.")
    ] = None,
    connections: Annotated[int, typer.Option(min=1, help="How many at once.")] = 1,
    period: Annotated[
        int | None, typer.Option(parser=span_s, metavar="SPAN", help="How long a code is good. Default: the app's.")
    ] = None,
) -> None:
    """Register a subscriber, or change one."""
    new = NewSubscriber(
        subscriber_id=who,
        subscriber_name=name or None,
        b32_secret=secret_in(secret) if secret else None,
        type=may,
        concurrent_connections_limit=connections,
        totp_expiry_period_seconds=period,
    )
    with where.asking() as client:
        client.subscribers.add_subscriber(path.app, path.stream, new)
    say(f"{who} is a subscriber of {path}")


@app.command()
@asks
def delete(
    where: Where,
    path: Path_,
    who: Annotated[str, typer.Argument(metavar="SUBSCRIBER", help="The subscriber's id.")] = "",
    *,
    everybody: Annotated[bool, typer.Option("--all", help="All of the stream.")] = False,
) -> None:
    """Forget a subscriber, or all of a stream."""
    if bool(who) is everybody:
        raise WrongUse("name one subscriber, or give --all")
    with where.asking() as client:
        if everybody:
            client.subscribers.delete_subscribers(path.app, path.stream)
        else:
            client.subscribers.delete_subscriber(path.app, path.stream, who)
    say(f"{path} has no subscriber any more" if everybody else f"{who} is no subscriber of {path} any more")


@app.command()
@asks
def block(
    where: Where,
    path: Path_,
    who: Who,
    *,
    span: Annotated[int, typer.Option("--for", parser=span_s, metavar="SPAN", help="How long: 90s, 15m, 2h or 7d.")],
    what: Annotated[May, typer.Option("--from", help="From what.")] = "publish_play",
) -> None:
    """Block one, known or not, and end its sessions at once."""
    if span < 1:
        raise WrongUse("a block lasts a second at least; `rillcast subscribers unblock` ends one")
    with where.asking() as client:
        client.subscribers.block_subscriber(path.app, path.stream, who, span, what)
    say(f"{who} is blocked until {at(time.time() + span)} UTC")


@app.command()
@asks
def unblock(where: Where, path: Path_, who: Who) -> None:
    """End the block of one."""
    with where.asking() as client:
        client.subscribers.block_subscriber(path.app, path.stream, who, 0, "publish_play")
    say(f"{who} is not blocked")


@app.command()
@asks
def code(
    where: Where,
    path: Path_,
    who: Who,
    *,
    purpose: Annotated[Role, typer.Option("--for", help="What it is good for.")] = Role.PLAY,
) -> None:
    """The code that the subscriber would show now."""
    with where.asking() as client:
        answer = client.subscribers.get_subscriber_code(path.app, path.stream, who, type=purpose.value)
    if not answer.success:
        raise CannotGoOn(answer.message or f"there is no code of {who}")
    say(answer.data_id or "")


@app.command()
@asks
def events(
    where: Where,
    path: Path_,
    *,
    who: Annotated[str, typer.Option("--subscriber", help="Of this one alone.")] = "",
    most: Most = None,
    as_json: AsJson = False,
) -> None:
    """When subscribers connected and disconnected, the oldest first."""
    with where.asking() as client:
        found = paged(
            lambda offset, size: client.subscribers.list_connection_events(
                path.app, path.stream, offset, size, subscriber_id=who or None
            )
        )
        nothing = "no connection is kept; apps keep them with writeSubscriberEventsToDatastore"
        show_list(islice(found, most), EVENT_COLUMNS, _event_cells, as_json=as_json, nothing=nothing)


def _cells(one: Subscriber) -> list[Text | str]:
    blocked = one.blocked_until_unit_time_stamp_ms / 1000 > time.time() and one.blocked_type
    return [
        Text(printable(one.subscriber_id), style="bold"),
        printable(one.subscriber_name or "") or NOTHING,
        (one.type or "publish_play").replace("_", ", "),
        f"{one.current_concurrent_connections} of {one.concurrent_connections_limit}",
        Text(f"{blocked} until {at(one.blocked_until_unit_time_stamp_ms / 1000)}", style="red") if blocked else NOTHING,
        one.registered_node_ip or NOTHING,
    ]


def _event_cells(one: ConnectionEvent) -> list[Text | str]:
    return [
        at(one.timestamp / 1000),
        printable(one.subscriber_id),
        one.event_type,
        one.type,
        one.instance_ip or NOTHING,
    ]
