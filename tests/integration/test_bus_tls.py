"""TLS to a real nats-server: what is trusted, what is refused in words, and certificates that are renewed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rillcast.contracts.errors import RillcastError
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
from rillcast.testing.servers import NatsServer, free_port, nats_server


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@asynccontextmanager
async def tls_server(
    authority: Authority, *, name: str = "127.0.0.1", verify: bool = False, users: bool = True
) -> AsyncIterator[NatsServer]:
    certificate, key = authority.issue("server", name)
    asks = f'ca_file: "{authority.file}", verify: true' if verify else ""
    tls = f'tls {{ cert_file: "{certificate}", key_file: "{key}", {asks} }}\n'
    async with nats_server(users=users, more=tls) as running:
        yield running


def settings(server: NatsServer, **values: object) -> NodeSettings:
    known = {"nats_url": server.url, "nats_nkey": server.seeds.get(BusUser.LICENSE, ""), "connect_timeout_s": 5}
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


async def test_a_server_that_sends_faster_than_we_read_is_held_back(authority: Authority) -> None:
    async with tls_server(authority, users=False) as server:
        connection = NatsConnection(settings(server, nats_ca=authority.file), "license-1", user=BusUser.LICENSE)
        sender = NatsConnection(settings(server, nats_ca=authority.file), "license-2", user=BusUser.LICENSE)
        await connection.open()
        await sender.open()
        inbox = connection.client.new_inbox()
        await connection.client.subscribe(inbox)
        await connection.settle()
        transport: Any = connection.client._transport
        reader, reading = transport._io_reader, connection.client._reading_task
        assert reading is not None
        reading.cancel()

        for _ in range(200):
            await sender.client.publish(inbox, b"x" * 60_000)
        await sender.settle()

        await eventually(lambda: not reader._transport.is_reading(), what="the server being held back")
        assert 0 < len(reader._buffer) < 1_000_000
        await sender.close()
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
        await eventually(lambda: connection.connected, 30, "the reconnect with the former certificate")

        before = key.read_bytes()
        authority.issue("node", "license-1")
        assert key.read_bytes() != before
        await server.kill()
        await eventually(lambda: not connection.connected, what="the loss being noticed")
        await server.start()
        await eventually(lambda: connection.connected, 30, "the reconnect with the new certificate")
        assert await works(connection)
        await connection.close()


def in_cluster(authority: Authority, name: str, port: int, others: int) -> str:
    """The configuration of docs/security.md for one of several servers."""
    certificate, key = authority.issue(name, "127.0.0.1")
    shown = f'cert_file: "{certificate}", key_file: "{key}"'
    return (
        f'server_name: "{name}"\ntls {{ {shown}, min_version: "1.3" }}\n'
        f'cluster {{\n name: rillcast\n listen: "127.0.0.1:{port}"\n routes: ["tls://127.0.0.1:{others}"]\n'
        f' tls {{ {shown}, ca_file: "{authority.file}", verify: true }}\n}}\n'
    )


async def test_servers_pass_messages_on_over_routes_with_tls_and_to_nobody_else(
    authority: Authority, tmp_path: Path
) -> None:
    first, second, third = free_port(), free_port(), free_port()
    stranger = Authority(tmp_path / "stranger")
    async with (
        nats_server(jetstream=False, more=in_cluster(authority, "nats-1", first, second)) as one,
        nats_server(jetstream=False, more=in_cluster(authority, "nats-2", second, first)) as two,
        nats_server(jetstream=False, more=in_cluster(stranger, "nats-3", third, first)) as three,
    ):
        chosen = [
            NodeSettings(nats_url=server.url, nats_ca=str(made.file), connect_timeout_s=5)
            for server, made in ((one, authority), (two, authority), (three, stranger))
        ]
        serving, asking, outside = (NatsConnection(settings, "license-1", user=BusUser.LICENSE) for settings in chosen)
        for connection in (serving, asking, outside):
            await connection.open()
        status = LicenseStatus(license_id="x", licensee="x", community=True, state=LicenseState.VALID, limit_total=1)

        async def answer(_: LicenseStatusRequest) -> LicenseStatus:
            return status

        bus = NatsBus(serving)
        await bus.serve(LICENSE_STATUS, LicenseStatusRequest, answer)

        async def passes() -> bool:
            return await NatsBus(asking).request(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus) == status

        await eventually(passes, 30, "the route", not_yet=(RillcastError,))
        await eventually(lambda: "TLS route handshake error" in three.log.read_text(), 30, "the refusal")
        with pytest.raises(RillcastError):
            await NatsBus(outside).request(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus, timeout_s=1)
        await bus.close()
        for connection in (serving, asking, outside):
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
