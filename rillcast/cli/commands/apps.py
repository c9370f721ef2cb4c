"""`rillcast apps`: the apps, and their settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from msgspec import UNSET
from rich.text import Text

from rillcast.cli.asked import agreed
from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.patches import known, settings_patch
from rillcast.cli.showing import in_words, say, show_facts, show_json, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import App
from rillcast.client.shapes import AppSettings, AppStatus

app = group("The apps.")
settings = typer.Typer(help="The settings of an app.", no_args_is_help=True)
app.add_typer(settings, name="settings")
COLUMNS = (
    Column(title="app", shortest=12, middle=True),
    Column(title="open to"),
    Column(title="streams", right=True),
    Column(title="viewers", right=True),
)
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]
Keys = Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these. Default: all.")]
Pairs = Annotated[
    list[str],
    typer.Argument(
        metavar="KEY=VALUE...", help="Keys as Ant Media spells them. KEY=@FILE takes the value from a file."
    ),
]


@app.command("list")
@asks
def list_apps(where: Where, *, as_json: AsJson = False) -> None:
    """The apps, and what everybody may do in them."""
    with where.asking() as client:
        show_list(client.applications.list_apps(), COLUMNS, _cells, as_json=as_json, nothing="there is no app")


@app.command()
@asks
def create(where: Where, app: App) -> None:
    """Make an app with default settings, on all instances and nodes."""
    with where.asking() as client:
        client.applications.create_app(app)
    say(f"{app} is made")


@app.command()
@asks
def delete(
    where: Where,
    app: App,
    *,
    records: Annotated[bool, typer.Option("--records", help="Its broadcasts, tokens and subscribers as well.")] = False,
    yes: Yes = False,
) -> None:
    """Delete an app, and end its streams."""
    agreed(f"delete {app}, end its streams" + (" and forget its records" if records else ""), yes=yes)
    with where.asking() as client:
        client.applications.delete_app(app, delete_db=records or None)
    say(f"{app} is deleted")


@settings.command("get")
@asks
def get_settings(where: Where, app: App, keys: Keys = None, *, as_json: AsJson = False) -> None:
    """What holds in an app, without its secrets."""
    for key in keys or []:
        known(key, AppSettings)
    with where.asking() as client:
        found = client.applications.get_all_app_settings(app)
    if found is None:
        raise CannotGoOn(f"there is no app {app!r}")
    values = {name: value for name, value in msgspec.to_builtins(found).items() if not keys or name in keys}
    if as_json:
        show_json(values)
    elif keys and len(keys) == 1:
        say(in_words(values.get(keys[0], UNSET)))
    else:
        show_facts({name: in_words(value) or '""' for name, value in values.items()}, None, as_json=False)


@settings.command("set")
@asks
def set_settings(where: Where, app: App, pairs: Pairs) -> None:
    """Change settings of an app, of all instances and at once: all that are given, or none."""
    patch = settings_patch(pairs)
    if not pairs:
        raise WrongUse("nothing is to be changed")
    with where.asking() as client:
        client.applications.change_app_settings(app, patch)
    say(f"the settings of {app} are changed")


def _cells(one: AppStatus) -> list[Text | str]:
    open_to = ", ".join(role.value for role in one.open_to)
    return [
        Text(one.app, style="bold"),
        Text(f"everybody may {open_to}", style="yellow") if open_to else NOTHING,
        str(one.streams),
        str(one.viewers),
    ]
