"""The `rillcast` command."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rillcast.cli.completion import PROGRAM, Shell, asked_part, completion_script, prepare_completion
from rillcast.cli.ending import ended
from rillcast.cli.faults import CannotGoOn, WrongUse, writing
from rillcast.cli.password import set_password
from rillcast.cli.plan import MAX_PER_KIND, Ports, Wishes
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.showing import show, show_json
from rillcast.cli.status import fetch_status, render_nodes
from rillcast.cli.up import choose_discovery
from rillcast.cli.up import up as bring_up
from rillcast.cli.where import ROOT, AsJson, RunDir, Where, asks
from rillcast.contracts.registry import RegistryUser, rules_of

PARTS = {
    **{name: f"rillcast.cli.{name}" for name in ("license", "bench")},
    "kubernetes": "rillcast.cli.kubernetes.commands",
    **{
        name: f"rillcast.cli.commands.{name}"
        for name in ("streams", "nodes", "apps", "tokens", "subscribers", "users", "vods", "hooks", "sessions")
    },
}
"""Groups of commands, and where they are."""
ALONE = tuple(
    f"rillcast.cli.commands.{name}"
    for name in ("login", "events", "top", "trace", "store", "joining", "importing", "planning")
)
"""Commands that are in no group."""
OF_BENCH = frozenset(("aiortc", "av", "numpy", "rillcast_load_native"))
"""What `bench` needs and no node but the transcoder does. Images of nodes do without it (docs/images.md)."""
NO_BENCH = "The load generator is not installed here: the image rillcast-bench has it."
TAKES_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    name="rillcast",
    help="Clustered WebRTC live streaming.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Count = Annotated[int, typer.Option(min=1, max=MAX_PER_KIND)]
Port = typer.Option(min=1, max=65_000, rich_help_panel="Ports")

console = Console()


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
@asks
def status(where: Where, *, as_json: AsJson = False) -> None:
    """Show nodes, load, viewers and the license."""
    found = fetch_status(where.operator())
    show_json(found) if as_json else show(render_nodes(found), console)


@app.command()
@asks
def drain(
    where: Where,
    node: Annotated[str, typer.Argument(help="The node's id, as `rillcast status` shows it.")],
    *,
    deadline: Annotated[
        int | None, typer.Option(help="Seconds after which whoever is left is cut off. Default: the node's setting.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Cut everybody off at once.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Let the node take new work again.")] = False,
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
    raise typer.Exit(drained(where.operator(), wish, console))


@app.command()
@asks
def password(where: Where, name: Annotated[str, typer.Argument(help="Whose.")] = "admin") -> None:
    """Give an operator a new random password. One who does not exist becomes an administrator."""
    new = set_password(where.operator(), name)
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


@app.command("cloud-keys")
def cloud_keys(
    folder: Annotated[Path, typer.Argument(help="Where they are written; what is there stays.")],
    domain: Annotated[str, typer.Option(help="What the names of the NATS servers end in.")] = "rillcast.internal",
) -> None:
    """Make the keys of a cluster in AWS or Azure, a file for each reader, for the cloud's store of secrets.

    Certificates that hold for less than a year are replaced. docs/clouds.md tells where the files go.
    """
    from rillcast.cli.cloud_keys import write_cloud_keys

    for line in write_cloud_keys(folder, domain):
        typer.echo(line)


@app.command("consul-policy")
def consul_policy(
    user: Annotated[RegistryUser, typer.Argument(help="Whose policy.")],
    node: Annotated[str, typer.Option(help="For `agent`: the name in Consul of the machine that it runs on.")] = "",
) -> None:
    """Print the rules (HCL) of a policy for the access list of your own Consul."""
    if user is RegistryUser.AGENT and not node:
        raise WrongUse("the policy of an agent is about its machine: --node is missing")
    typer.echo(rules_of(user, node))


@app.command("compose-consul", hidden=True)
def compose_consul(
    folder: Annotated[Path, typer.Argument(help="Where the tokens lie.")],
    url: Annotated[str, typer.Argument(help="Where Consul is.")],
) -> None:
    """Make Consul of the compose stack know the tokens. A container of the stack calls this; nobody else needs to."""
    from rillcast.cli.compose_keys import CONSUL_NODE, further_servers
    from rillcast.cli.consul_setup import set_up
    from rillcast.cli.server_certificates import TlsServer
    from rillcast.cli.tls_files import AUTHORITY
    from rillcast.runtime.discovery.consul_acl import read_tokens

    try:
        tokens = read_tokens(folder)
    except OSError as error:
        raise CannotGoOn(f"cannot read the tokens for Consul: {error}") from error
    names = (CONSUL_NODE, *further_servers(os.environ)[TlsServer.CONSUL])
    asyncio.run(set_up(url, tokens, *names, authority=folder / AUTHORITY))


@app.command("compose-keys", hidden=True)
def compose_keys(folder: Annotated[Path, typer.Argument(help="Where the volumes are mounted.")]) -> None:
    """Make the keys of the compose stack. Its first container calls this; nobody else needs to."""
    from rillcast.cli.compose_keys import further_servers, write_keys

    further = further_servers(os.environ)
    if why := write_keys(folder, grafana_password=os.environ.get("GRAFANA_ADMIN_PASSWORD", ""), further=further):
        typer.echo(f"made certificates for NATS and Consul: {why}")


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Whose.")]) -> None:
    """Print what makes a shell complete commands and options.

    For bash: rillcast completion bash > ~/.local/share/bash-completion/completions/rillcast. For zsh, into a file
    `_rillcast` in a folder of $fpath. For fish: rillcast completion fish > ~/.config/fish/completions/rillcast.fish.
    """
    typer.echo(completion_script(shell))


def bench_is_elsewhere() -> None:
    """In place of the commands that need what is not installed."""
    raise CannotGoOn(NO_BENCH)


def mount_parts(asked: str) -> None:
    """The commands in `PARTS`, imported only when they may be meant: `up` must not wait for what they need."""
    own = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    if asked in own:
        return
    for name, module in PARTS.items():
        if asked in PARTS and asked != name:
            continue
        try:
            app.add_typer(importlib.import_module(module).app, name=name)
        except ModuleNotFoundError as error:
            if name != "bench" or error.name not in OF_BENCH:
                raise
            app.command(name, context_settings=TAKES_ANYTHING, help=NO_BENCH)(bench_is_elsewhere)
    if asked not in PARTS:
        for module in ALONE:
            app.add_typer(importlib.import_module(module).app)


def main() -> None:
    """Entry point: a fault that the user can mend is one line and exit code 1, not a traceback."""

    def run() -> None:
        prepare_completion()
        mount_parts(asked_part(sys.argv, os.environ))
        app(prog_name=PROGRAM)

    raise SystemExit(ended(run))
