"""Pebble, the certificate authority that Let's Encrypt publishes for tests, with a DNS in which all names lead here."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from rillcast.testing.servers import ServerProcess, free_port

TEST_SPEED = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}


class Pebble(ServerProcess):
    """Asks at `http_port` of loopback whether a name leads here."""

    def __init__(self, folder: Path, http_port: int, dns: str) -> None:
        self.port = free_port()
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        self.ca_file = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        own = authority.issue_cert("127.0.0.1")
        own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        own.private_key_pem.write_to_path(folder / "key.pem")
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{free_port()}",
            "certificate": str(folder / "cert.pem"),
            "privateKey": str(folder / "key.pem"),
            "httpPort": http_port,
            "tlsPort": 1,
        }
        (folder / "config.json").write_text(json.dumps({"pebble": config}))
        settings = (f"{name}={value}" for name, value in TEST_SPEED.items())
        command = ["env", *settings, "pebble", "-config", str(folder / "config.json"), "-dnsserver", dns]
        super().__init__(command, folder, lambda: _accepts(self.port))


@asynccontextmanager
async def pebble(folder: Path, http_port: int) -> AsyncIterator[Pebble]:
    """A running one; without the program skips on a laptop and fails where everything has to be there."""
    if shutil.which("pebble") is None or shutil.which("pebble-challtestsrv") is None:
        required = os.environ.get("RILLCAST_REQUIRE_ALL") == "1"
        (pytest.fail if required else pytest.skip)("there is no pebble here (Debian's package pebble)")
    dns, management = f"127.0.0.1:{free_port()}", free_port()
    off = [f"-{name}=" for name in ("http01", "https01", "tlsalpn01", "defaultIPv6")]
    command = ["pebble-challtestsrv", "-dns01", dns, "-management", f"127.0.0.1:{management}", *off]
    names = ServerProcess([*command, "-defaultIPv4", "127.0.0.1"], folder, lambda: _accepts(management))
    authority = Pebble(folder, http_port, dns)
    try:
        await names.start()
        await authority.start()
        yield authority
    finally:
        await authority.kill()
        await names.kill()


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
