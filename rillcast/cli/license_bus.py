"""How `rillcast license` asks the license service, reads files and gives up."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import typer

from rillcast.cli.run_folder import RunFolder
from rillcast.cli.tool_settings import settings_of
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError

Answer = TypeVar("Answer", bound=msgspec.Struct)
TIMEOUT_S = 5.0
RUN_FOLDER = Path(__file__).resolve().parents[2] / ".run"


def ask(subject: str, message: msgspec.Struct, answer: type[Answer]) -> Answer:
    """One request to the running cluster at RILLCAST_NATS_URL. Ends the process with the reason when it's refused."""
    try:
        return asyncio.run(_ask(subject, message, answer))
    except (RillcastError, StartError) as error:
        fail(str(error))


def read_file(path: Path, most: int) -> bytes:
    """At most one byte more than `most`; ``-`` is standard input."""
    try:
        if path == Path("-"):
            return sys.stdin.buffer.read(most + 1)
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        fail(f"{path}: {error.strerror}")


def fail(message: str) -> NoReturn:
    """One line to standard error, exit code 1."""
    typer.echo(message, err=True)
    sys.exit(1)


async def _ask(subject: str, message: msgspec.Struct, answer: type[Answer]) -> Answer:
    running = RunFolder(Path(os.environ.get("RILLCAST_RUN_DIR") or RUN_FOLDER))
    connection = NatsConnection(settings_of(BusUser.TOOLS, running), "rillcast-license")
    await connection.open()
    try:
        bus = NatsBus(connection)
        try:
            return await bus.request(subject, message, answer, timeout_s=TIMEOUT_S)
        finally:
            await bus.close()
    finally:
        await connection.close()
