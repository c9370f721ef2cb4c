"""The TURN server of compose, at an address of this machine."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rillcast.cli.compose_keys import write_keys
from rillcast.testing.servers import ServerProcess, free_port

START = ("sh", str(Path(__file__).parents[2] / "deploy/coturn/start.sh"))


def is_installed() -> bool:
    """Whether there is a coturn here."""
    return shutil.which("turnserver") is not None


class Turn:
    """Where it listens, and what it was told."""

    def __init__(self, folder: Path, address: str, plain: int, tls: int) -> None:
        self.pid = 0
        self.folder = folder
        self.address = address
        self.plain = plain
        self.tls = tls

    @property
    def secret(self) -> str:
        """What it shares with signaling."""
        return (self.folder / "coturn/turn-secret").read_text().strip()

    @property
    def certificate(self) -> Path:
        """What it made for itself, in PEM."""
        return self.folder / "work/certificate.pem"

    def environment(self, **others: str) -> dict[str, str]:
        """Of the start, where folders of a container are folders of a test."""
        return {
            "RILLCAST_PUBLIC_ADDRESS": self.address,
            "TURN_SECRET_FILE": str(self.folder / "coturn/turn-secret"),
            "TURN_CERTIFICATE_FOLDER": str(self.folder / "own"),
            "TURN_WORK_FOLDER": str(self.folder / "work"),
            **others,
        }


@asynccontextmanager
async def turn_server(folder: Path, address: str) -> AsyncIterator[Turn]:
    """Until the end of the block, as compose starts it. The media ports are at the same address. Certificates may be in
    the folder ``own`` of this one."""
    write_keys(folder, own=False)
    (folder / "work").mkdir()
    made = Turn(folder, address, free_port(), free_port())
    where = (f"--listening-ip={address}", f"--relay-ip={address}")
    ports = (f"--listening-port={made.plain}", f"--tls-listening-port={made.tls}")
    command = [*START, *where, *ports]
    server = ServerProcess(command, folder, lambda: _accepts(address, made.tls), made.environment())
    await server.start()
    try:
        made.pid = server.pid
        yield made
    finally:
        await server.stop()


def _accepts(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=0.5):
        return True
    return False
