"""`rillcast up`: a whole cluster on this machine, in the foreground."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from rillcast.cli.consul_setup import set_up
from rillcast.cli.faults import CannotGoOn, writing
from rillcast.cli.operators import open_apps
from rillcast.cli.plan import (
    CONSUL_CONFIG,
    CONSUL_NODE,
    Keys,
    ProcessSpec,
    Wishes,
    consul_config,
    consul_url,
    infrastructure,
    nats_config,
    nats_url,
    services,
)
from rillcast.cli.ports import require_free
from rillcast.cli.renewal import keep_renewed, made_why
from rillcast.cli.run_folder import FIRST_PASSWORD, LOCAL_TOKEN, RunFolder
from rillcast.cli.server_certificates import TlsServer
from rillcast.cli.stack import POLL_S, Stack
from rillcast.cli.tls_door import TlsDoor, tls_door
from rillcast.cli.tls_files import in_folder, keep_in_folder
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_users import keep_seeds, server_config
from rillcast.runtime.discovery.consul_acl import Tokens, keep_tokens
from rillcast.runtime.process.address import local_address
from rillcast.runtime.secret_files import write_secret

ROOT = Path(__file__).resolve().parents[2]
INFRASTRUCTURE_TIMEOUT_S = 20.0
SERVICES_TIMEOUT_S = 60.0
ACQUAINTANCE_TIMEOUT_S = 15.0
"""Heartbeats come each second."""


class _Readyz(msgspec.Struct):
    """The part of signaling's /readyz that matters here."""

    placeable: dict[str, int] = {}
    """How many nodes of each kind it would give new work to."""


@dataclass(frozen=True)
class Discovery:
    """How nodes find each other in this stack, and why so."""

    consul: Path | None
    sentence: str


@dataclass(frozen=True)
class ForOperators:
    """What signaling has to say to whoever started it."""

    first: tuple[str, str] | None
    """Name and password of a new cluster's operator, which are shown here and nowhere else."""
    open_apps: list[str]
    """Apps in which everybody may do something."""
    tls: TlsDoor | None = None
    """Where it listens by TLS."""
    address: str = "127.0.0.1"
    """Of this machine, for others."""


def choose_discovery() -> Discovery:
    """Consul when its binary is there, unless RILLCAST_DISCOVERY=nats says otherwise."""
    wanted = os.environ.get("RILLCAST_DISCOVERY", "")
    if wanted == "nats":
        return Discovery(None, "over NATS (RILLCAST_DISCOVERY=nats)")
    binary = shutil.which("consul")
    if binary:
        return Discovery(Path(binary), "Consul")
    if wanted == "consul":
        raise CannotGoOn("RILLCAST_DISCOVERY=consul, but there is no consul on PATH; deploy/consul/get-consul gets one")
    return Discovery(None, "over NATS (no consul on PATH)")


def require_programs(scripts: Path) -> None:
    """Raises CannotGoOn naming what the installation lacks."""
    if not (scripts / "nats-server").exists():
        raise CannotGoOn(f"there is no nats-server in {scripts}; run: make setup")
    try:
        import rillcast_native  # noqa: F401
    except ImportError as error:
        raise CannotGoOn(f"the media plane is not built ({error}); run: make setup") from None


async def up(wishes: Wishes, discovery: Discovery, folder: RunFolder, console: Console) -> None:
    """Starts everything, prints where it is, stays until SIGINT or SIGTERM, stops everything. Raises CannotGoOn."""
    started = time.monotonic()
    scripts = Path(sys.executable).parent
    require_programs(scripts)
    base = infrastructure(wishes, folder.path, scripts)
    keys = Keys(folder.seeds, folder.tokens, folder.authority)
    nodes = [_with_secrets(spec, folder.path) for spec in services(wishes, os.environ, keys)]
    require_free([*base, *nodes])

    def report(sentence: str) -> None:
        console.print(f"[yellow]{sentence}[/]", highlight=False)

    with writing(folder.tls):
        made_why(keep_in_folder(folder.tls), report)
    _prepare_nats(wishes, folder)
    tokens = _prepare_consul(wishes, folder) if wishes.consul else None
    url = f"http://127.0.0.1:{wishes.ports.http}/"
    folder.remember(url, nats_url(wishes.ports.nats))

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stack = Stack(folder.logs, ROOT, report)
    where = consul_url(wishes.ports.consul)
    know_tokens = partial(set_up, where, tokens, CONSUL_NODE, authority=folder.authority) if tokens else None
    bring_up = asyncio.create_task(_bring_up(stack, base, know_tokens, nodes, console))
    stopping = asyncio.create_task(stop.wait())
    renewing = asyncio.create_task(keep_renewed(folder.tls, stack.reload, report))
    try:
        await asyncio.wait({bring_up, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if bring_up.done():
            bring_up.result()
            stack.keep_up()
            apps = await asyncio.to_thread(open_apps, url, folder.token())
            told = ForOperators(folder.take_first_password(), apps, tls_door(os.environ), local_address())
            console.print(summary(wishes, discovery, folder, url, took_s=time.monotonic() - started, told=told))
            await stopping
    finally:
        bring_up.cancel()
        renewing.cancel()
        await asyncio.gather(bring_up, renewing, return_exceptions=True)
        with console.status("stopping"):
            await stack.stop()
        stopping.cancel()
    console.print("stopped")


def _with_secrets(spec: ProcessSpec, folder: Path) -> ProcessSpec:
    """Signaling leaves in this folder what this command shows to the user, and other commands to signaling."""
    if not spec.name.startswith(NodeKind.SIGNALING):
        return spec
    paths = {"LOCAL_TOKEN_PATH": LOCAL_TOKEN, "FIRST_PASSWORD_PATH": FIRST_PASSWORD}
    own = {f"RILLCAST_SIGNALING_{name}": str(folder / file) for name, file in paths.items()}
    return replace(spec, env={**spec.env, **own})


def _prepare_nats(wishes: Wishes, folder: RunFolder) -> None:
    """Its users and its configuration."""
    with writing(folder.seeds):
        users = server_config(keep_seeds(folder.seeds))
    certificate = in_folder(folder.tls).servers[TlsServer.NATS].path
    folder.write("nats.conf", nats_config(wishes.ports.nats, folder.path / "nats", certificate, users))


def _prepare_consul(wishes: Wishes, folder: RunFolder) -> Tokens:
    """Its tokens and its configuration. What it knew in a former run is of no use."""
    store = folder.path / "consul"
    with writing(folder.tokens):
        tokens = keep_tokens(folder.tokens)
    certificate = in_folder(folder.tls).servers[TlsServer.CONSUL].path
    with writing(folder.path / CONSUL_CONFIG):
        config = consul_config(wishes.ports.consul, store, tokens, certificate)
        write_secret(folder.path / CONSUL_CONFIG, config)
    with writing(store):
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir(mode=0o700)
    return tokens


async def _bring_up(
    stack: Stack,
    base: list[ProcessSpec],
    know_tokens: Callable[[], Awaitable[None]] | None,
    nodes: list[ProcessSpec],
    console: Console,
) -> None:
    with console.status("starting " + " and ".join("NATS" if spec.name == "nats" else "Consul" for spec in base)):
        await stack.start(base, INFRASTRUCTURE_TIMEOUT_S)
        if know_tokens is not None:
            await know_tokens()
    with console.status("starting " + ", ".join(spec.name for spec in nodes)):
        await stack.start(nodes, SERVICES_TIMEOUT_S)
        await seen_by_signaling(nodes)


async def seen_by_signaling(nodes: list[ProcessSpec], transport: httpx.AsyncBaseTransport | None = None) -> None:
    """Returns once signaling would give new work to every node, so that the first click finds them all. Signaling may
    be busy: without an answer it is asked again. Raises CannotGoOn. `transport`: another way to it."""
    started = Counter(spec.name.rpartition("-")[0] for spec in nodes)
    ready_url = next(spec.ready_url for spec in nodes if spec.name.startswith("signaling"))
    missing, reason = started, ""
    try:
        async with (
            asyncio.timeout(ACQUAINTANCE_TIMEOUT_S),
            httpx.AsyncClient(timeout=2.0, trust_env=False, transport=transport) as client,
        ):
            while missing:
                try:
                    answer = await client.get(ready_url)
                    missing = started - Counter(msgspec.json.decode(answer.content, type=_Readyz).placeable)
                    reason = ""
                except (httpx.HTTPError, msgspec.MsgspecError) as error:
                    reason = f": {str(error) or type(error).__name__}"
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass  # whoever is missing by now is named below
    if missing:
        short = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in missing.items())
        raise CannotGoOn(f"signaling does not see {short}{reason}")


def summary(
    wishes: Wishes,
    discovery: Discovery,
    folder: RunFolder,
    url: str,
    *,
    took_s: float,
    told: ForOperators,
) -> Table:
    """What a user wants to know when the cluster is up: the addresses, the nodes, the folder of logs."""
    table = Table.grid(padding=(0, 2))
    table.title = f"[bold green]Rillcast is up[/] [dim]after {took_s:.1f} s[/]"
    table.title_justify = "left"
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    websocket = url.replace("http://", "ws://")
    counts = [(wishes.origins, "origin"), (wishes.edges, "edge"), (wishes.transcoders, "transcoder")]
    counts += [(1, "signaling"), (1, "license")]
    rows = {
        "Publish and watch": f"[link={url}]{url}[/]",
        "Ant Media SDK": f"{websocket}live/websocket",
        "WHIP · WHEP": f"{url}live/whip/STREAM · {url}live/whep/STREAM",
        "Console": f"[link={url}console]{url}console[/]",
        "Nodes": " · ".join(f"{count} {kind}{'s' * (count > 1)}" for count, kind in counts),
        "Discovery": discovery.sentence,
        "Metrics": f"http://127.0.0.1:{wishes.ports.admin}/metrics and up, one port per node",
        "Logs": str(folder.logs),
        "Status": "rillcast status, in another terminal" if shutil.which("rillcast") else ".venv/bin/rillcast status",
    }
    for label, value in rows.items():
        table.add_row(label, value)
    if told.tls is not None:
        table.add_row("From elsewhere", _by_tls(told.tls, told.address))
    if told.open_apps:
        table.add_row("Open to all", f"[yellow]{', '.join(told.open_apps)}[/]: anybody may publish or play there")
    if told.first is not None:
        name, password = told.first
        table.add_row("Sign in as", f"[bold]{name}[/]")
        table.add_row("with password", f"[bold]{password}[/]")
        table.add_row("", "[dim]It is shown this once; `rillcast password` makes another one.[/]")
    table.caption = "[dim]Ctrl-C stops everything[/]"
    table.caption_justify = "left"
    return table


def _by_tls(door: TlsDoor, address: str) -> str:
    """The addresses for clients on other machines, to which the plain port leads them."""
    if not (authority := door.authority(address)):
        return "by https and wss; the port is in the log of signaling"
    return f"[link=https://{authority}/]https://{authority}/[/] · wss://{authority}/live/websocket"
