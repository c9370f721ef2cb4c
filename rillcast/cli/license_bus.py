"""How `rillcast license` asks the license service, reads files and gives up."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import typer
from pydantic import SecretStr

from rillcast.cli.run_folder import RunFolder
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.permissions import BusUser
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.bus.nats_users import seed_file
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings, env_prefix, load_settings

Answer = TypeVar("Answer", bound=msgspec.Struct)
TIMEOUT_S = 5.0
RUN_FOLDER = Path(__file__).resolve().parents[2] / ".run"
WAYS_IN = {"nats_nkey", "nats_user", "nats_credentials", "nats_token"}


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


class ToolSettings(NodeSettings):
    """How an operator's command reaches NATS: ``RILLCAST_TOOLS_NATS_…``, else what nodes have."""

    model_config = env_prefix("tools")


def _settings() -> NodeSettings:
    """Those of the environment. What it does not say is that of the stack that `rillcast up` runs here."""
    given = load_settings(ToolSettings)
    running = RunFolder(Path(os.environ.get("RILLCAST_RUN_DIR") or RUN_FOLDER))
    known: dict[str, object] = {"connect_timeout_s": TIMEOUT_S}
    seed = seed_file(running.seeds, BusUser.TOOLS)
    if "nats_url" not in given.model_fields_set and (url := running.nats_url()):
        known |= {"nats_url": url, "nats_ca": str(running.authority), "nats_server_name": ""}
        if not given.model_fields_set & WAYS_IN and os.access(seed, os.R_OK):
            known["nats_nkey"] = SecretStr(seed.read_text(encoding="ascii").strip())
    return given.model_copy(update=known)


async def _ask(subject: str, message: msgspec.Struct, answer: type[Answer]) -> Answer:
    connection = NatsConnection(_settings(), "rillcast-license")
    await connection.open()
    try:
        bus = NatsBus(connection)
        try:
            return await bus.request(subject, message, answer, timeout_s=TIMEOUT_S)
        finally:
            await bus.close()
    finally:
        await connection.close()
