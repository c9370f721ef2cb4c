"""`rillcast import`: what an Ant Media Server has, taken over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from rillcast.cli.asked import agreed
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.moving import broadcasts, settings
from rillcast.cli.moving.ant_media import AntMedia
from rillcast.cli.operators import prompted
from rillcast.cli.showing import in_words, printable, say
from rillcast.cli.where import Where, asks
from rillcast.client import Client, ClientError

app = typer.Typer()
PASSWORD = "RILLCAST_FROM_PASSWORD"
LEFT = (
    "not taken by this command, since no server gives them away: passwords of users, secrets of subscribers, one-time "
    "tokens, recordings"
)
SECRET = ("secret", "password", "key", "credential")
SHOWN = 60
"""Characters of a value."""


@app.command("import")
@asks
def import_(
    where: Where,
    source: Annotated[str, typer.Argument(metavar="URL", help="The Ant Media Server, such as http://ams:5080.")],
    *,
    from_user: Annotated[str, typer.Option(help=f"An administrator there. The password is {PASSWORD}, or asked for.")],
    from_ca: Annotated[
        Path | None, typer.Option(help="File with the certificates that vouch for it. Default: those of the system.")
    ] = None,
    apps: Annotated[list[str] | None, typer.Option("--app", help="Only this app. May be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be taken.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
) -> None:
    """Take the apps, their settings and their broadcasts over from an Ant Media Server that runs.

    The old server is only read. Settings that this version cannot do are not taken and named, each with the reason;
    then the exit code is 1. Broadcasts whose id is taken here stay as they are, so that the command can be given again.
    """
    try:
        with AntMedia(source, authority=from_ca) as old, where.asking() as client:
            password = os.environ.get(PASSWORD) or prompted(f"{from_user} at {source}")
            if not old.sign_in(from_user, password):
                raise CannotGoOn(f"{old.server} does not let {from_user} in: the name or the password is wrong")
            names = _chosen(old.apps(), apps or [], old.server)
            here = set(client.applications.list_app_names().applications or ())
            refused = _show(old, client, names, here)
            if not dry_run:
                agreed(f"take {', '.join(names)} over from {old.server}", yes=yes)
                refused = sum(_take(old, client, name, name in here) for name in names)
            for one in old.users():
                say(f"user {printable(one['email'])}: make it anew with `rillcast users create`")
            say(LEFT)
    except ClientError as error:
        raise CannotGoOn(str(error)) from None
    if refused:
        raise CannotGoOn(f"{refused} of these {'would be' if dry_run else 'were'} refused, as said above")


def _chosen(there: Sequence[str], wanted: Sequence[str], server: str) -> list[str]:
    if missing := [name for name in wanted if name not in there]:
        raise CannotGoOn(f"{server} has no app {', '.join(missing)}; it has {', '.join(there) or 'none'}")
    return [name for name in there if not wanted or name in wanted]


def _show(old: AntMedia, client: Client, names: Sequence[str], here: set[str]) -> int:
    """What would be taken; returns how many settings are known to be refused. What depends on other settings is known
    only when the server is asked."""
    count = 0
    for name in names:
        wanted, refused = _difference(old, client, name, name in here)
        say(f"{printable(name)}: {'is here' if name in here else 'is to be made'}; {len(wanted)} settings differ")
        for one in wanted:
            now = "" if one.here in settings.NOTHING else f", here {_value(one.key, one.here)}"
            say(f"  {one.key} = {_value(one.key, one.there)}{now}")
        _refusals(refused)
        count += len(refused)
    return count


def _take(old: AntMedia, client: Client, name: str, is_here: bool) -> int:
    """One app; returns how much of it was refused."""
    if not is_here:
        try:
            client.applications.create_app(name)
        except ClientError as error:
            say(f"{printable(name)}: is not made: {error}")
            return 1
    carried = broadcasts.carry(client, name, old.broadcasts(name))
    say(f"{printable(name)}: {carried.taken} broadcasts are taken, {carried.there_before} were here before")
    for what, counts in (("refused", carried.refused), ("left out of", carried.left_out)):
        for why, count in counts.most_common():
            say(f"  {what} {count}, such as {printable(carried.examples[why])}: {printable(why)}")
    # Last, since they may let this machine in no longer.
    wanted, refused = _difference(old, client, name, True)
    taken, more = settings.carry(client, name, wanted)
    refused += more
    say(f"{printable(name)}: {len(taken)} settings are taken, {len(refused)} are refused")
    _refusals(refused)
    return len(refused) + carried.amiss


def _difference(
    old: AntMedia, client: Client, name: str, is_here: bool
) -> tuple[list[settings.Setting], list[settings.Refusal]]:
    holds = client.applications.get_all_app_settings(name) if is_here else None
    return settings.to_carry(old.settings(name), holds)


def _refusals(refused: Sequence[settings.Refusal]) -> None:
    for one in refused:
        say(f"  refused {printable(one.key)}: {printable(one.why)}")


def _value(key: str, value: object) -> str:
    if any(word in key.lower() for word in SECRET) and value:
        return "(a secret)"
    text = in_words(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
