"""``rillcast kubernetes``: called by the containers of the Helm chart; nobody else needs to."""

from __future__ import annotations

import signal
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.kubernetes.api import ClusterApi
from rillcast.cli.kubernetes.costs import keep_costs, metrics_of
from rillcast.cli.kubernetes.keys import keep_keys
from rillcast.cli.kubernetes.place import Wish, find_place
from rillcast.cli.server_certificates import TlsServer
from rillcast.runtime.telemetry.logs import configure_logging, get_logger

log = get_logger(__name__)

app = typer.Typer(help="What the containers of the Helm chart call.", no_args_is_help=True)


@app.command()
def keys(
    prefix: Annotated[str, typer.Option(help="How the names of the Secrets begin.")],
    nats_name: Annotated[list[str] | None, typer.Option(help="A host name of NATS. May be repeated.")] = None,
    consul_name: Annotated[list[str] | None, typer.Option(help="A host name of Consul. May be repeated.")] = None,
) -> None:
    """Make the Secrets with the keys and certificates of the cluster, and renew certificates that are old.

    What is there stays. Each reader has a Secret of its own, named after it.
    """
    names = {TlsServer.NATS: nats_name or [], TlsServer.CONSUL: consul_name or []}
    with ClusterApi.of_this_pod() as api, tempfile.TemporaryDirectory() as folder:
        written = keep_keys(api, Path(folder), prefix=prefix, more_names=names)
    typer.echo(f"wrote {', '.join(written)}" if written else "all Secrets are there, and good")


@app.command()
def place(
    out: Annotated[Path, typer.Option(help="Folder for the files `region`, `zone` and `media-addresses`.")],
    node: Annotated[str, typer.Option(help="The machine of this pod.")],
    *,
    external: Annotated[bool, typer.Option("--external", help="Clients use the machine's ExternalIP.")] = False,
    service: Annotated[str, typer.Option(help="Clients use the load balancer of this Service.")] = "",
    region: Annotated[str, typer.Option(help="Instead of the machine's.")] = "",
    zone: Annotated[str, typer.Option(help="Instead of the machine's.")] = "",
) -> None:
    """Write down the region, the zone and the addresses for clients of the machine that this pod runs on.

    It fails with a sentence when clients outside cannot reach this pod.
    """
    with ClusterApi.of_this_pod() as api:
        found = find_place(api, Wish(node, external, service, region, zone), out)
    typer.echo("  ".join(f"{name}: {text or 'none'}" for name, text in found.items()))


@app.command()
def costs(
    labels: Annotated[str, typer.Option(help="The label selector of the pods.")],
    every: Annotated[float, typer.Option(min=1, max=3_600, help="Seconds between two looks.")] = 15,
) -> None:
    """Keep the deletion cost of each pod at whom its end would disturb, until SIGTERM."""
    configure_logging("info", "json", "deletion-costs")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with ClusterApi.of_this_pod() as api:
        while not over.is_set():
            try:
                done = keep_costs(api, labels, metrics_of)
            except CannotGoOn as error:
                log.warning("The pods could not be listed", reason=error.sentence)
            else:
                if done.written or done.unknown:
                    log.info("Looked at the pods", written=done.written, kept=done.kept, unknown=done.unknown)
            over.wait(every)
