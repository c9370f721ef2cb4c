"""`rillcast hooks`: the webhooks of apps. What waits for them is counted by metrics, and not told by REST."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.fitting_table import NOTHING, Column
from rillcast.cli.groups import group
from rillcast.cli.showing import printable, say, show_facts, show_list
from rillcast.cli.where import AsJson, Where, asks
from rillcast.cli.words import App
from rillcast.client import Client
from rillcast.client.shapes import AppSettings, AppSettingsPatch

QUEUE = (
    "REST does not tell what waits for the webhooks; each signaling node counts it by the metric "
    "rillcast_signaling_hooks_waiting"
)
KEYS = ("listenerHookURL", "webhookAuthenticateURL", "webhookPlayAuthUrl", "webhookRetryCount", "webhookRetryDelay")
app = group("The webhooks of apps.")
COLUMNS = (
    Column(title="app", shortest=12, middle=True),
    Column(title="events go to", shortest=16),
    Column(title="publishers asked of", shortest=16, drop=1),
    Column(title="viewers asked of", shortest=16, drop=2),
    Column(title="retries", right=True, drop=3),
)


@app.command("list")
@asks
def list_hooks(where: Where, *, as_json: AsJson = False) -> None:
    """The webhooks of all apps."""
    with where.asking() as client:
        found = ((name, _settings(client, name)) for name in client.applications.list_app_names().applications)
        if as_json:
            entries = ({"app": name} | _shown(one) for name, one in found)
            show_list(entries, (), lambda _: (), as_json=True, nothing="")
        else:
            show_list(found, COLUMNS, _cells, as_json=False, nothing="there is no app")


@app.command()
@asks
def show(where: Where, app: App, *, as_json: AsJson = False) -> None:
    """The webhooks of an app."""
    with where.asking() as client:
        found = _shown(_settings(client, app))
    show_facts(found, found, as_json=as_json)


@app.command("set")
@asks
def change(
    where: Where,
    app: App,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the events of the app go. Empty: nowhere.")],
) -> None:
    """Let the events of an app go to an URL."""
    with where.asking() as client:
        client.applications.change_app_settings(app, AppSettingsPatch(listener_hook_url=url))
    say(f"the events of {app} go {f'to {url}' if url else 'nowhere'}")


@app.command()
def queue() -> None:
    """Says where it is counted what waits for the webhooks. Exit code 1."""
    raise CannotGoOn(QUEUE)


def _settings(client: Client, app: str) -> AppSettings:
    found = client.applications.get_all_app_settings(app)
    if found is None:
        raise CannotGoOn(f"there is no app {app!r}")
    return found


def _shown(one: AppSettings) -> dict[str, object]:
    values = (
        one.listener_hook_url,
        one.webhook_authenticate_url,
        one.webhook_play_auth_url,
        one.webhook_retry_count,
        one.webhook_retry_delay,
    )
    return dict(zip(KEYS, values, strict=True))


def _cells(found: tuple[str, AppSettings]) -> list[Text | str]:
    name, one = found
    events, publishers, viewers, retries, _ = _shown(one).values()
    urls = [printable(str(url)) if url else NOTHING for url in (events, publishers, viewers)]
    return [Text(name, style="bold"), *urls, str(retries)]
