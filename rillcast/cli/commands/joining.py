"""`rillcast invite` and `rillcast join`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.where import ROOT
from rillcast.cli.words import secret_in, span_s
from rillcast.contracts.words import NodeKind

app = typer.Typer()
PORT = 5090
MOST_S = 86_400
CONFIGURATION, UNITS = Path("/etc/rillcast"), Path("/etc/systemd/system")
Kind = Annotated[list[NodeKind], typer.Option("--kind", help="A kind of node. May be given more than once.")]


@app.command()
def invite(
    kind: Kind,
    *,
    keys: Annotated[Path, typer.Option(help="Folder of the keys, as `rillcast nats-config` makes it.")],
    settings: Annotated[Path, typer.Option(help="File with the settings that all nodes have.")] = CONFIGURATION
    / "cluster.env",
    address: Annotated[str, typer.Option(help="How the new machine reaches this one. Default: its address.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to wait; 0 is any free one.")] = PORT,
    time: Annotated[str, typer.Option("--for", help="How long the token is good, such as 10m.")] = "10m",
) -> None:
    """Let one new machine in: print a token for `rillcast join`, and wait for who comes with it.

    The token is good once, and only while this command runs. Ctrl-C takes it back.
    """
    from rillcast.cli.joining.inviting import Invitation
    from rillcast.cli.joining.wire import Answer, settings_in
    from rillcast.contracts.permissions import BusUser
    from rillcast.runtime.bus.nats_users import seed_file
    from rillcast.runtime.process.address import local_address

    seconds = span_s(time)
    if not 1 <= seconds <= MOST_S:
        raise WrongUse(f"--for must be a second to a day, not {time}")
    text = _read(settings)
    try:
        known = settings_in(text)
    except ValueError as error:
        raise CannotGoOn(f"{settings}: {error}") from None
    if "RILLCAST_NATS_URL" not in known:
        raise CannotGoOn(f"{settings} does not say where NATS is: RILLCAST_NATS_URL is missing")
    authorities = _read(Path(known["RILLCAST_NATS_CA"])) if known.get("RILLCAST_NATS_CA") else ""
    kinds = tuple(dict.fromkeys(kind))
    seeds = {one: secret_in(seed_file(keys, BusUser(one))) for one in kinds}

    async def wait() -> bool:
        answer = Answer(settings=text, authorities=authorities, seeds=seeds)
        told = Invitation(answer, lambda line: typer.echo(line, err=True))
        try:
            token = await told.open(address or local_address(), port)
        except OSError as error:
            raise CannotGoOn(f"cannot wait at port {port}: {error.strerror}") from None
        typer.echo(token.written())
        sys.stdout.flush()
        return await told.until_over(seconds)

    if not asyncio.run(wait()):
        raise CannotGoOn(f"nobody came with the token in {time}: it is worth nothing any more")


@app.command()
def join(
    token: Annotated[str, typer.Argument(help="What `rillcast invite` has printed; - reads it from the input.")],
    *,
    kind: Annotated[
        list[NodeKind] | None, typer.Option("--kind", help="Only this kind of those that the token is for.")
    ] = None,
    into: Annotated[Path, typer.Option(help="Where settings, certificates and keys go.")] = CONFIGURATION,
    units: Annotated[Path, typer.Option(help="Where the units of systemd go.")] = UNITS,
) -> None:
    """Make this machine one of the cluster: get its keys and settings, and enable its services.

    They are not started yet. What is in the folder already stays as it is.
    """
    from rillcast.cli.joining.coming import ask, enable, keep, require_new
    from rillcast.cli.joining.wire import MOST_TOKEN, read_token

    read = read_token(sys.stdin.read(MOST_TOKEN + 1) if token == "-" else token)
    kinds = tuple(dict.fromkeys(kind or read.kinds))
    if others := [one for one in kinds if one not in read.kinds]:
        raise WrongUse(f"the token is for {', '.join(read.kinds)}, and not for {', '.join(others)}")
    if not (ROOT / "deploy/systemd").is_dir():
        raise CannotGoOn(f"there are no units in {ROOT / 'deploy/systemd'}: join from a clone of Rillcast")
    require_new(into, kinds)
    for note in keep(asyncio.run(ask(read, kinds)), into):
        typer.echo(note)
    enable(kinds, ROOT / "deploy/systemd", units)
    names = " ".join(f"rillcast@{one}" for one in kinds)
    typer.echo(f"joined; start it: systemctl daemon-reload && systemctl start {names}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CannotGoOn(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
