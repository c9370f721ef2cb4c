"""The `rillcast` command."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.operator_http import operator
from rillcast.cli.password import set_password
from rillcast.cli.plan import MAX_PER_KIND, Ports, Wishes
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.status import fetch_status, render_nodes, render_streams
from rillcast.cli.up import ROOT, choose_discovery
from rillcast.cli.up import up as bring_up
from rillcast.contracts.registry import RegistryUser, rules_of

PARTS = {"license": "rillcast.cli.license", "bench": "rillcast.cli.bench"}

app = typer.Typer(
    name="rillcast",
    help="Clustered WebRTC live streaming.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Count = Annotated[int, typer.Option(min=1, max=MAX_PER_KIND)]
Port = typer.Option(min=1, max=65_000, rich_help_panel="Ports")
RunDir = Annotated[Path, typer.Option(envvar="RILLCAST_RUN_DIR", help="Where state and logs are kept.")]
Url = Annotated[str, typer.Option(help="Address of a signaling node. Default: the stack running in this folder.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="File with a token. Default: RILLCAST_TOKEN, else what signaling left on this machine."),
]
User = Annotated[str, typer.Option(help="Sign in with this name. The password is RILLCAST_PASSWORD, or asked for.")]

console = Console()
PIPED_WIDTH = 1_000


@app.command()
def up(
    *,
    edges: Count = 1,
    origins: Count = 1,
    transcoders: Count = 1,
    port: Annotated[int, Port] = Ports.http,
    admin_port: Annotated[int, Port] = Ports.admin,
    media_port: Annotated[int, Port] = Ports.media,
    relay_port: Annotated[int, Port] = Ports.relay,
    nats_port: Annotated[int, Port] = Ports.nats,
    consul_port: Annotated[int, Port] = Ports.consul,
    run_dir: RunDir = ROOT / ".run",
) -> None:
    """Start a whole cluster on this machine and stay until Ctrl-C."""
    ports = Ports(port, admin_port, media_port, relay_port, nats_port, consul_port)
    discovery = choose_discovery()
    wishes = Wishes(edges, origins, transcoders, ports, discovery.consul)
    with RunFolder(run_dir) as folder:
        asyncio.run(bring_up(wishes, discovery, folder, console))


@app.command()
def status(url: Url = "", run_dir: RunDir = ROOT / ".run", token_file: TokenFile = None, user: User = "") -> None:
    """Show nodes, load, viewers and the license."""
    _show(render_nodes(fetch_status(operator(url, RunFolder(run_dir), token_file, user))))


@app.command()
def streams(url: Url = "", run_dir: RunDir = ROOT / ".run", token_file: TokenFile = None, user: User = "") -> None:
    """Show the live streams."""
    _show(render_streams(fetch_status(operator(url, RunFolder(run_dir), token_file, user))))


@app.command()
def drain(
    node: Annotated[str, typer.Argument(help="The node's id, as `rillcast status` shows it.")],
    *,
    deadline: Annotated[
        int | None, typer.Option(help="Seconds after which whoever is left is cut off. Default: the node's setting.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Cut everybody off at once.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Let the node take new work again.")] = False,
    url: Url = "",
    run_dir: RunDir = ROOT / ".run",
    token_file: TokenFile = None,
    user: User = "",
) -> None:
    """Empty an origin, edge or transcoder, and show how far it is.

    The node takes nothing new, and what it has moves to others. It stays so until its process ends, or until --undo.
    Ctrl-C ends the showing and not the drain. Exit codes: 0 nobody is left, 3 somebody was cut off at the deadline,
    4 the node ended before it was empty, 1 anything else.
    """
    from rillcast.cli.drain import Wish
    from rillcast.cli.drain import drain as drained

    wish = Wish(node, deadline, now, undo)
    wish.check()
    raise typer.Exit(drained(operator(url, RunFolder(run_dir), token_file, user), wish, console))


@app.command()
def password(
    name: Annotated[str, typer.Argument(help="Whose.")] = "admin",
    *,
    url: Url = "",
    run_dir: RunDir = ROOT / ".run",
    token_file: TokenFile = None,
    user: User = "",
) -> None:
    """Give an operator a new random password. One who does not exist becomes an administrator."""
    new = set_password(operator(url, RunFolder(run_dir), token_file, user), name)
    console.print(f"{name} signs in with {new}", highlight=False, markup=False)


@app.command("nats-config")
def nats_config(
    keys: Annotated[Path, typer.Option(help="Folder of the nkeys of the users. Those that are missing are made.")],
) -> None:
    """Print the users and permissions for the configuration of your own NATS."""
    from rillcast.runtime.bus.nats_users import keep_seeds, server_config

    with writing(keys):
        seeds = keep_seeds(keys)
    typer.echo(server_config(seeds), nl=False)


@app.command("consul-policy")
def consul_policy(
    user: Annotated[RegistryUser, typer.Argument(help="Whose policy.")],
    node: Annotated[str, typer.Option(help="For `agent`: the name in Consul of the machine that it runs on.")] = "",
) -> None:
    """Print the rules (HCL) of a policy for the access list of your own Consul."""
    if user is RegistryUser.AGENT and not node:
        raise CannotGoOn("the policy of an agent is about its machine: --node is missing")
    typer.echo(rules_of(user, node))


@app.command("compose-consul", hidden=True)
def compose_consul(
    folder: Annotated[Path, typer.Argument(help="Where the tokens lie.")],
    url: Annotated[str, typer.Argument(help="Where Consul is.")],
) -> None:
    """Make Consul of the compose stack know the tokens. A container of the stack calls this; nobody else needs to."""
    from rillcast.cli.compose_keys import CONSUL_NODE
    from rillcast.cli.consul_setup import set_up
    from rillcast.cli.tls_files import AUTHORITY
    from rillcast.runtime.discovery.consul_acl import read_tokens

    try:
        tokens = read_tokens(folder)
    except OSError as error:
        raise CannotGoOn(f"cannot read the tokens for Consul: {error}") from error
    asyncio.run(set_up(url, tokens, CONSUL_NODE, authority=folder / AUTHORITY))


@app.command("compose-keys", hidden=True)
def compose_keys(folder: Annotated[Path, typer.Argument(help="Where the volumes are mounted.")]) -> None:
    """Make the keys of the compose stack. Its first container calls this; nobody else needs to."""
    from rillcast.cli.compose_keys import write_keys

    if why := write_keys(folder, grafana_password=os.environ.get("GRAFANA_ADMIN_PASSWORD", "")):
        typer.echo(f"made certificates for NATS and Consul: {why}")


def _show(table: RenderableType) -> None:
    """As wide as the terminal; whole where there is none to be narrow."""
    console.print(table, width=None if console.is_terminal or "COLUMNS" in os.environ else PIPED_WIDTH)


def mount_parts(asked: str) -> None:
    """The commands in `PARTS`, imported only when they may be meant: `up` must not wait for what they need."""
    own = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    if asked not in own:
        for name, module in PARTS.items():
            app.add_typer(importlib.import_module(module).app, name=name)


def main() -> None:
    """Entry point: a fault that the user can mend is one line and exit code 1, not a traceback."""
    mount_parts(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        app()
    except CannotGoOn as error:
        err = Console(stderr=True)
        err.print(f"[bold red]rillcast:[/] {error.sentence}", highlight=False, soft_wrap=True)
        for line in error.details:
            err.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(1) from None
