"""`rillcast users`: the operators' accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from rillcast.cli.asked import agreed
from rillcast.cli.commands.apps import Yes
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.password import new_password
from rillcast.cli.showing import printable, say, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.client.shapes import AccountsRole, ShownUser, User

app = group("The operators' accounts. `rillcast password` gives one a new password.")
SYSTEM = "system"
COLUMNS = (
    Column(title="user", shortest=12, middle=True),
    Column(title="roles", shortest=12),
    Column(title="name", shortest=8, drop=1),
)
Email = Annotated[str, typer.Argument(metavar="USER", help="The name to sign in with.")]
AsRole = Annotated[AccountsRole, typer.Option("--role", help="What it may do.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--app", help="In this app only. May be repeated. Default: in the whole server."),
]


@app.command("list")
@asks
def list_users(where: Where, *, as_json: AsJson = False) -> None:
    """The operators, and what they may do."""
    with where.asking() as client:
        show_list(client.users.list_users(), COLUMNS, _cells, as_json=as_json, nothing="there is no operator")


@app.command()
@asks
def create(where: Where, who: Email, *, role: AsRole, apps: Scopes = None) -> None:
    """Make an operator with a random password, which is printed once."""
    password = new_password()
    with where.asking() as client:
        client.users.create_user(_with_roles(User(email=who, password=password), role, apps))
    say(f"{who} signs in with {password}")


@app.command("set")
@asks
def change(where: Where, who: Email, *, role: AsRole, apps: Scopes = None) -> None:
    """Give an operator other roles in place of those there are."""
    with where.asking() as client:
        client.users.change_user(_with_roles(User(email=who), role, apps))
    say(f"{who} is {role} {_where(apps)}")


@app.command()
@asks
def delete(where: Where, who: Email, *, yes: Yes = False) -> None:
    """Forget an operator, whose sessions end."""
    agreed(f"delete the operator {who}", yes=yes)
    with where.asking() as client:
        client.users.delete_user(who)
    say(f"{who} is deleted")


def _with_roles(user: User, role: AccountsRole, apps: list[str] | None) -> User:
    scopes = apps or [SYSTEM]
    return msgspec.structs.replace(
        user, user_type=role, scope=scopes[0], app_name_user_type=dict.fromkeys(scopes, role)
    )


def _where(apps: list[str] | None) -> str:
    return f"of {', '.join(apps)}" if apps else "of the whole server"


def _cells(one: ShownUser) -> list[Text | str]:
    roles: Mapping[str, str] = one.app_name_user_type or {one.scope or SYSTEM: one.user_type}
    name = one.full_name or " ".join(part for part in (one.first_name, one.last_name) if part)
    return [
        Text(printable(one.email), style="bold"),
        ", ".join(f"{role} of {printable(scope)}" for scope, role in sorted(roles.items())),
        printable(name) or NOTHING,
    ]
