"""`rillcast login`, `logout` and `whoami`: a session that later commands show, in a file for its user alone."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.operators import Operator, client_of, in_words, prompted, sign_in
from rillcast.cli.session_file import SessionFile
from rillcast.cli.showing import say, show_facts
from rillcast.cli.where import AsJson, Where, asks
from rillcast.client import ClientError, NotAllowed

app = typer.Typer()


@app.command()
@asks
def login(
    where: Where,
    name: Annotated[str, typer.Argument(metavar="[USER]", help="The name. Default: it is asked for.")] = "",
) -> None:
    """Sign in, and keep the session for later commands.

    The password is RILLCAST_PASSWORD, or asked for; it is not kept. The session is kept in RILLCAST_SESSION_FILE, by
    default below ~/.local/state, readable by you alone, until `rillcast logout` or until the server ends it.
    """
    if name and where.user and name != where.user:
        raise WrongUse("two names are given")
    user = name or where.user or str(typer.prompt("Name", err=True))
    password = os.environ.get("RILLCAST_PASSWORD") or prompted(user)
    base = where.address()
    who = Operator(base, user=user, password=password, authority=where.ca)
    try:
        with client_of(who) as client:
            sign_in(client, who)
            SessionFile.of_user().keep(base, user, client.session)
    except ClientError as error:
        raise in_words(base, error) from None
    say(f"{user} is signed in at {base}")


@app.command()
@asks
def logout(where: Where) -> None:
    """End the session at the server, and forget it here."""
    base, sessions = where.address(), SessionFile.of_user()
    kept = sessions.of(base)
    if kept is None:
        raise CannotGoOn(f"no session with {base} is kept")
    try:
        with client_of(Operator(base, session=kept.cookie, authority=where.ca)) as client:
            client.sign_out()
    except NotAllowed:
        pass  # the server has ended it already
    except ClientError as error:
        sessions.forget(base)
        raise CannotGoOn(f"forgotten here, and not ended at the server: {in_words(base, error).sentence}") from None
    sessions.forget(base)
    say(f"{kept.user} is signed out at {base}")


@app.command()
@asks
def whoami(where: Where, *, as_json: AsJson = False) -> None:
    """Say which server is asked, what is shown to it, and whether that holds. Exit code 1 if it does not."""
    who = where.operator()
    try:
        with client_of(who) as client:
            if who.user:
                sign_in(client, who)
            holds = client.users.get_authentication_status().success
            admin = client.users.get_admin_status().success if holds and client.session else None
            if who.user:
                client.sign_out()
    except ClientError as error:
        raise in_words(who.base, error) from None
    facts = {"server": who.base, "shown": who.by, "holds": holds, "administrator": admin}
    show_facts(facts, facts, as_json=as_json)
    if not holds:
        raise typer.Exit(1)
