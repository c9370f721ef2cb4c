"""`rillcast tokens`: what lets clients publish or play where an app asks for it."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from rillcast.cli.commands.streams import Most
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.showing import say, show_json, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import Path_, at, moment_s
from rillcast.client import paged
from rillcast.client.shapes import Token
from rillcast.contracts.words import Role

app = group("Tokens that let clients publish or play.")
COLUMNS = (
    Column(title="token", shortest=12, middle=True),
    Column(title="for"),
    Column(title="until (UTC)"),
    Column(title="room", shortest=8, drop=1),
)
For = Annotated[Role, typer.Option("--for", help="What it is good for.")]
Until = Annotated[
    int, typer.Option(parser=moment_s, metavar="WHEN", help="Until when it is good: 2h, 7d or 2026-12-24T18:00Z.")
]
TokenText = Annotated[str, typer.Argument(metavar="TOKEN", help="The token; - reads it from standard input.")]


@app.command("list")
@asks
def list_tokens(where: Where, path: Path_, *, most: Most = None, as_json: AsJson = False) -> None:
    """The one-time tokens of a stream that are not done yet."""
    with where.asking() as client:
        found = paged(lambda offset, size: client.tokens.list_tokens(path.app, path.stream, offset, size))
        show_list(islice(found, most), COLUMNS, _cells, as_json=as_json, nothing=f"{path} has no one-time token")


@app.command()
@asks
def create(
    where: Where,
    path: Path_,
    *,
    purpose: For,
    until: Until = "1h",  # type: ignore[assignment]  # typer parses defaults too
    jwt: Annotated[bool, typer.Option("--jwt", help="A JWT, which nobody keeps and nobody can revoke.")] = False,
    room: Annotated[str, typer.Option(help="The room that a publisher's token is good for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a token, and print it."""
    with where.asking() as client:
        make = client.tokens.create_jwt if jwt else client.tokens.create_token
        token = make(path.app, path.stream, expire_date=until, type=purpose.value, room_id=room or None)
    show_json(token) if as_json else say(token.token_id)


@app.command()
@asks
def validate(where: Where, path: Path_, token: TokenText, *, purpose: For) -> None:
    """Say whether a one-time token would let a client in. It is not used up. Exit code 1 if it would not."""
    text = typer.get_text_stream("stdin").readline(8_192).strip() if token == "-" else token
    with where.asking() as client:
        client.tokens.validate_token(path.app, Token(token_id=text, stream_id=path.stream, type=purpose.value))
    say(f"it lets a client {purpose.value} {path}")


@app.command()
@asks
def revoke(where: Where, path: Path_) -> None:
    """Revoke the one-time tokens of a stream. Sessions that used one go on."""
    with where.asking() as client:
        client.tokens.revoke_tokens(path.app, path.stream)
    say(f"the one-time tokens of {path} are revoked")


def _cells(one: Token) -> list[Text | str]:
    return [one.token_id, one.type or NOTHING, at(one.expire_date), one.room_id or NOTHING]
