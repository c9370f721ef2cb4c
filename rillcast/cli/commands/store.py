"""`rillcast backup` and `rillcast restore`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rillcast.cli.faults import CannotGoOn, WrongUse
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.where import ROOT, RunDir

app = typer.Typer()
STANDARD_OUTPUT = Path("-")
Keys = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the keys of signaling and license, as `rillcast nats-config` makes it. Default: those of the "
        "stack that runs in this folder."
    ),
]


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; - is the standard output.")],
    *,
    keys: Keys = None,
    run_dir: RunDir = ROOT / ".run",
) -> None:
    """Write what lasts of the store into one file: settings, broadcasts, tokens, subscribers, accounts, secrets.

    The cluster goes on meanwhile. The file holds secrets and is not encrypted: only its owner can read it. An existing
    file is never overwritten. NATS is the one at RILLCAST_NATS_URL, else that of the stack in this folder.
    """
    from rillcast.cli.store.backup import back_up, new_file

    running = RunFolder(run_dir)
    if file == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise WrongUse("a backup holds secrets, and is not shown on a terminal")
        made = asyncio.run(back_up(sys.stdout.buffer, running, keys))
    else:
        try:
            with new_file(file) as opened:
                made = asyncio.run(back_up(opened, running, keys))
        except OSError as error:
            raise CannotGoOn(f"cannot write {file}: {error.strerror}") from error
    told = Console(stderr=True)
    told.print(f"{made.records} records are in {file}", highlight=False, markup=False)
    if not made.at_one_moment:
        told.print("the store was written to all the time: each bucket in it is of a moment of its own")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `rillcast backup` has written.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what the store has, and remove the rest.")
    ] = False,
    keys: Keys = None,
    run_dir: RunDir = ROOT / ".run",
) -> None:
    """Write a backup into the store, after all of the file was found to be whole.

    Meant for a NATS to which no service is connected yet. A store that has something is left alone unless --replace is
    given. What was valid at the time of the backup is valid again: tokens that were used up since, and sessions of
    operators that were ended.
    """
    from rillcast.cli.store.restore import check
    from rillcast.cli.store.restore import restore as write

    try:
        with file.open("rb") as opened:
            if not opened.seekable():
                raise CannotGoOn(f"{file} is read twice, so it must be a file")
            check(opened, str(file))
            opened.seek(0)
            done = asyncio.run(write(opened, file, RunFolder(run_dir), keys, replace=replace))
    except OSError as error:
        raise CannotGoOn(f"cannot read {file}: {error.strerror}") from error
    removed = f", and {done.removed} that it does not have were removed" if replace else ""
    typer.echo(f"{done.written} records of {done.head.made_at} are in the store{removed}")
