"""TLS to a real nats-server: what is trusted, what is refused in words, and certificates that are renewed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rillcast.contracts.messages import LicenseStatus, LicenseStatusRequest
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.subjects import LICENSE_STATUS
from rillcast.contracts.words import LicenseState
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.authority import Authority
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, nats_server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@asynccontextmanager
async def tls_server(
    authority: Authority, *, name: str = "127.0.0.1", verify: bool = False
) -> AsyncIterator[NatsServer]:
    certificate, key = authority.issue("server", name)
    asks = f'ca_file: "{authority.file}", verify: true' if verify else ""
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", {asks} }}\n'
    async with nats_server(users=True, more=tls) as running:
        yield running


def settings(server: NatsServer, **values: object) -> NodeSettings:
    known = {"nats_url": server.url, "nats_nkey": server.seeds[BusUser.LICENSE], "connect_timeout_s": 5}
    return NodeSettings.model_validate(known | {name: str(value) for name, value in values.items()})


async def refusal(chosen: NodeSettings) -> str:
    with pytest.raises(StartError) as refused:
        await NatsConnection(chosen, "license-1", user=BusUser.LICENSE).open()
    return str(refused.value)


async def works(connection: NatsConnection) -> bool:
    """Whether a request comes back over this connection."""
    status = LicenseStatus(license_id="x", licensee="x", community=True, state=LicenseState.VALID, limit_total=1)

    async def answer(_: LicenseStatusRequest) -> LicenseStatus:
        return status

    bus = NatsBus(connection)
    await bus.serve(LICENSE_STATUS, LicenseStatusRequest, answer)
    await bus.close()
    return connection.connected


async def test_a_server_whose_authority_is_named_is_trusted(authority: Authority) -> None:
    async with tls_server(authority) as server:
        connection = NatsConnection(settings(server, nats_ca=authority.file), "license-1", user=BusUser.LICENSE)
        await connection.open()
        assert await works(connection)
        await connection.close()


async def test_another_authority_is_refused_in_words_at_once(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    async with tls_server(authority) as server:
        words = await refusal(settings(server, nats_ca=other.file))
        assert "its certificate is refused" in words
        assert "RILLCAST_NATS_CA" in words


async def test_a_certificate_for_another_name_is_refused_unless_that_name_is_wanted(authority: Authority) -> None:
    async with tls_server(authority, name="nats.example") as server:
        assert "its certificate is refused" in await refusal(settings(server, nats_ca=authority.file))
        wanted = settings(server, nats_ca=authority.file, nats_server_name="nats.example")
        connection = NatsConnection(wanted, "license-1", user=BusUser.LICENSE)
        await connection.open()
        assert connection.connected
        await connection.close()


async def test_a_server_without_tls_is_told_nothing_where_tls_is_demanded(authority: Authority) -> None:
    async with nats_server(users=True, more="debug: true\n") as server:
        assert "does not use TLS, which the settings demand" in await refusal(settings(server, nats_ca=authority.file))
        tls_url = server.url.replace("nats://", "tls://")
        assert "does not use TLS, which the settings demand" in await refusal(settings(server, nats_url=tls_url))


async def test_a_node_shows_its_own_certificate_and_a_renewed_one_at_the_next_connect(authority: Authority) -> None:
    async with tls_server(authority, verify=True) as server:
        assert "no TLS connection comes about" in await refusal(settings(server, nats_ca=authority.file))
        certificate, key = authority.issue("node", "license-1")
        shown = {"nats_ca": authority.file, "nats_certificate": certificate, "nats_certificate_key": key}
        connection = NatsConnection(settings(server, **shown), "license-1", user=BusUser.LICENSE)
        await connection.open()

        certificate.write_text("in the middle of being written")
        await server.kill()
        await eventually(lambda: not connection.connected, what="the loss being noticed")
        await server.start()
        await eventually(lambda: connection.connected, what="the reconnect with the former certificate")

        before = key.read_bytes()
        authority.issue("node", "license-1")
        assert key.read_bytes() != before
        await server.kill()
        await eventually(lambda: not connection.connected, what="the loss being noticed")
        await server.start()
        await eventually(lambda: connection.connected, what="the reconnect with the new certificate")
        assert await works(connection)
        await connection.close()


@pytest.mark.parametrize("setting", ["nats_ca", "nats_certificate"])
async def test_a_file_that_is_none_ends_the_start_in_words(authority: Authority, tmp_path: Path, setting: str) -> None:
    broken, key = tmp_path / "broken.pem", authority.issue("x")[1]
    broken.write_text("no certificate")
    chosen = {"nats_ca": authority.file, "nats_certificate": authority.issue("y")[0], "nats_certificate_key": key}
    async with tls_server(authority) as server:
        assert f"RILLCAST_{setting.upper()}: {broken}" in await refusal(
            settings(server, **(chosen | {setting: broken}))
        )
        missing = tmp_path / "missing.pem"
        words = await refusal(settings(server, **(chosen | {setting: missing})))
        assert f"RILLCAST_{setting.upper()}: {missing}" in words
        assert "No such file" in words
