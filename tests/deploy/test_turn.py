"""TURN in compose: it takes whom signaling sends, and relays to the media ports of nodes alone."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint
from coturn import START, Turn, is_installed, turn_server

from rillcast.cli.compose_keys import write_keys
from rillcast.cli.server_certificates import TlsServer, new_set
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.runtime.process.address import local_address
from rillcast.testing.eventually import eventually, within
from services.signaling.core.domain.ice_servers import ice_server

HERE = local_address()
"""Where the media ports are, in these tests."""


@pytest.fixture
def coturn(root: Path) -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["coturn"]
    return service


def need_coturn() -> None:
    if not is_installed():
        (pytest.fail if os.environ.get("RILLCAST_REQUIRE_ALL") == "1" else pytest.skip)("there is no coturn here")


def test_it_is_there_for_who_asks_and_no_other_container_is_in_its_network(root: Path, coturn: dict[str, Any]) -> None:
    stack = yaml.safe_load((root / "docker-compose.yml").read_text())

    assert coturn["profiles"] == ["turn"]
    assert coturn["networks"] == ["turn"]
    assert [name for name, one in stack["services"].items() if "turn" in one.get("networks", [])] == ["coturn"]
    assert set(stack["networks"]) == {"turn"}


def test_the_secret_is_made_at_the_first_start_and_stays(coturn: dict[str, Any], tmp_path: Path) -> None:
    write_keys(tmp_path, own=False)
    secret = (tmp_path / "coturn/turn-secret").read_text()
    write_keys(tmp_path, own=False)

    assert len(secret.strip()) >= 32
    assert (tmp_path / "coturn/turn-secret").read_text() == secret
    assert "coturn-keys:/run/rillcast:ro" in coturn["volumes"]


def credentials(secret: str) -> tuple[str, str]:
    """As signaling hands them out."""
    app = AppSettings(app_name=AppName("live"), stun_server_uri="turns:turn.example", turn_secret=secret)
    server = ice_server(app, time.time())
    return server.username, server.credential


class Heard(asyncio.DatagramProtocol):
    """What came to one end."""

    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[bytes] = asyncio.Queue()
        self.failed: asyncio.Queue[Exception] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.datagrams.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.failed.put_nowait(exc)


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize(("at_tls_port", "by_tls"), [(False, False), (True, True), (True, False)])
async def test_clients_that_signaling_sends_reach_media_ports_and_nothing_else(
    tmp_path: Path, at_tls_port: bool, by_tls: bool
) -> None:
    need_coturn()
    async with turn_server(tmp_path, HERE) as server:
        loop, (name, word) = asyncio.get_running_loop(), credentials(server.secret)
        node, at_node = await loop.create_datagram_endpoint(Heard, local_addr=(HERE, 0))
        where = (HERE, server.tls if at_tls_port else server.plain)
        tls = trusting_anybody() if by_tls else None
        client, at_client = await create_turn_endpoint(Heard, where, name, word, ssl=tls, transport="tcp")
        try:
            client.sendto(b"media", node.get_extra_info("sockname"))
            async with within(20, "what the client sent"):
                assert await at_node.datagrams.get() == b"media"
            for inside in ("127.0.0.1", "169.254.169.254", "172.18.0.2", "10.0.0.1", "198.51.100.7"):
                client.sendto(b"secret?", (inside, 8222))
                async with within(20, f"a refusal of {inside}"):
                    refused = await at_client.failed.get()
                assert isinstance(refused, TransactionFailed)
                assert refused.response.attributes["ERROR-CODE"][0] == 403
        finally:
            client.close()
            node.close()


async def test_nobody_is_served_without_the_secret(tmp_path: Path) -> None:
    need_coturn()
    async with turn_server(tmp_path, HERE) as server:
        name, word = credentials("another secret, which is as long as that one")
        with pytest.raises(TransactionFailed) as refused:
            await create_turn_endpoint(Heard, (HERE, server.plain), name, word, transport="tcp")

        assert refused.value.response.attributes["ERROR-CODE"][0] == 401


async def shown(server: Turn) -> bytes:
    """The certificate that it shows, in DER."""
    _, writer = await asyncio.open_connection(HERE, server.tls, ssl=trusting_anybody())
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


def put_certificate(folder: Path) -> None:
    """A new one, with its key, where the operator puts them."""
    pem = new_set(datetime.now(UTC)).servers[TlsServer.NATS]
    folder.mkdir(exist_ok=True)
    for name in ("privkey.pem", "fullchain.pem"):
        (folder / name).write_text(pem)


async def test_the_health_check_has_coturn_read_a_renewed_certificate(coturn: dict[str, Any], tmp_path: Path) -> None:
    need_coturn()
    put_certificate(tmp_path / "own")
    async with turn_server(tmp_path, HERE) as server:
        before = await shown(server)
        _, *shell, script = coturn["healthcheck"]["test"]
        script = script.replace("/etc/coturn/own", str(tmp_path / "own")).replace("/tmp/told", str(tmp_path / "told"))
        script = script.replace("-USR2 1;", f"-USR2 {server.pid};").replace("127.0.0.1/3478", f"{HERE}/{server.plain}")

        async def checked() -> bytes:
            assert await (await asyncio.create_subprocess_exec(*shell, script)).wait() == 0
            return await shown(server)

        assert await checked() == before
        put_certificate(tmp_path / "own")

        async def renewed() -> bool:
            return await checked() != before

        await eventually(renewed, 30, "the renewed certificate", not_yet=(OSError,))


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"RILLCAST_PUBLIC_ADDRESS": ""}, "RILLCAST_PUBLIC_ADDRESS is to be the IP address"),
        ({"RILLCAST_PUBLIC_ADDRESS": "media.example"}, "has media.example, which is no IP address"),
        ({"TURN_SECRET_FILE": "/nowhere/turn-secret"}, "there is no secret in /nowhere/turn-secret"),
        ({"TURN_CERTIFICATE_FOLDER": "half"}, "fullchain.pem and privkey.pem must both be there"),
    ],
)
def test_it_says_what_is_missing(tmp_path: Path, others: dict[str, str], said: str) -> None:
    write_keys(tmp_path, own=False)
    (tmp_path / "work").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half/fullchain.pem").touch()
    environment = os.environ | Turn(tmp_path, HERE, 0, 0).environment(**others)

    done = subprocess.run(START, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert said in done.stderr
