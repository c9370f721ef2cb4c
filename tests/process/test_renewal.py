"""Certificates that are renewed while NATS and Consul run: both show the new ones, and nodes trust them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rillcast.cli.plan import CONSUL_CONFIG, Ports, Wishes, consul_config, infrastructure, nats_config, nats_url
from rillcast.cli.renewal import keep_renewed
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.server_certificates import LIFE, RENEW_BEFORE, TlsServer
from rillcast.cli.stack import Stack
from rillcast.cli.tls_files import keep_in_folder, now_utc
from rillcast.contracts.permissions import BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.bus.nats_users import keep_seeds, seed_file, server_config
from rillcast.runtime.discovery.consul_acl import keep_tokens
from rillcast.runtime.metrics import BUS_CERTIFICATE_EXPIRES
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import find_consul, find_nats_server, free_port, need_consul
from rillcast.testing.services import service_process

SCRIPTS = Path(find_nats_server()).parent


class Clock:
    """The clock of this machine, put back."""

    def __init__(self) -> None:
        self.behind = timedelta()

    def __call__(self) -> datetime:
        return now_utc() - self.behind


class Base:
    """NATS and Consul as `rillcast up` starts them, without nodes."""

    def __init__(self, folder: RunFolder, ports: Ports, stack: Stack, clock: Clock) -> None:
        self.folder, self.ports, self.stack, self.clock = folder, ports, stack, clock
        self.said: list[str] = []

    def settings(self) -> NodeSettings:
        seed = seed_file(self.folder.seeds, BusUser.LICENSE).read_text().strip()
        return NodeSettings.model_validate(
            {"nats_url": nats_url(self.ports.nats), "nats_ca": str(self.folder.authority), "nats_nkey": seed}
        )

    async def shown(self, server: TlsServer) -> bytes:
        """The certificate that a newcomer is shown, in DER. Raises OSError when nodes would not trust it."""
        context = ssl.create_default_context(cafile=self.folder.authority)
        port = self.ports.nats if server is TlsServer.NATS else self.ports.consul
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            if server is TlsServer.NATS:
                await reader.readline()  # what it says in the clear, before TLS
            await writer.start_tls(context, server_hostname="127.0.0.1")
            certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return certificate
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


@asynccontextmanager
async def base(path: Path, clock: Clock) -> AsyncIterator[Base]:
    need_consul()
    wishes = Wishes(ports=Ports(nats=free_port(), consul=free_port()), consul=Path(find_consul()))
    with RunFolder(path) as folder:
        keep_in_folder(folder.tls, clock)
        users = server_config(keep_seeds(folder.seeds))
        nats = nats_config(wishes.ports.nats, path / "nats", folder.tls / "nats.pem", users)
        folder.write("nats.conf", nats)
        config = consul_config(
            wishes.ports.consul, path / "consul", keep_tokens(folder.tokens), folder.tls / "consul.pem"
        )
        folder.write(CONSUL_CONFIG, config)
        stack = Stack(folder.logs, path, lambda _: None)
        try:
            await stack.start(infrastructure(wishes, path, SCRIPTS), 60)
            yield Base(folder, wishes.ports, stack, clock)
        finally:
            await stack.stop()


async def test_renewed_certificates_are_shown_without_a_restart_and_the_former_connection_goes_on(
    tmp_path: Path, clock: Clock
) -> None:
    clock.behind = LIFE - RENEW_BEFORE
    began = clock()
    async with base(tmp_path, clock) as running:
        connection = NatsConnection(running.settings(), "license-1", user=BusUser.LICENSE)
        await connection.open()
        lost: list[bool] = []
        connection.on_lost(lambda: lost.append(True))
        (metric,) = BUS_CERTIFICATE_EXPIRES.collect()
        ends = metric.samples[0].value
        assert began.timestamp() - 1 <= ends - LIFE.total_seconds() <= clock().timestamp(), "it was made meanwhile"
        before = {server: await running.shown(server) for server in TlsServer}
        keeper = asyncio.create_task(
            keep_renewed(running.folder.tls, running.stack.reload, running.said.append, every_s=0.05, clock=clock)
        )

        clock.behind = timedelta()

        async def all_new() -> bool:
            return all([await running.shown(server) != before[server] for server in TlsServer])

        await eventually(all_new, 40, "new certificates of both", not_yet=(OSError,))
        assert connection.connected
        assert not lost, "who has a connection keeps it"
        assert len(running.said) == 1
        assert "expires on" in running.said[0]
        await connection.client.flush()

        newcomer = NatsConnection(running.settings(), "license-2", user=BusUser.LICENSE)
        await newcomer.open()
        await newcomer.close()
        await connection.close()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def test_a_certificate_that_expires_soon_is_said(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.behind = LIFE - timedelta(days=29)
    async with base(tmp_path, clock) as running:
        connection = NatsConnection(running.settings(), "license-1", user=BusUser.LICENSE)
        await connection.open()
        await connection.close()

    assert "The certificate of NATS expires soon" in caplog.text


async def test_a_node_that_lost_its_connection_says_what_is_wrong_and_trusts_a_newer_authority_when_told(
    tmp_path: Path, clock: Clock
) -> None:
    async with base(tmp_path / "run", clock) as running:
        folder = running.folder
        settings = {
            "nats_url": nats_url(running.ports.nats),
            "nats_ca": folder.authority,
            "nats_nkey_file": seed_file(folder.seeds, BusUser.LICENSE),
        }
        async with service_process(NodeKind.LICENSE, tmp_path, **settings) as service:
            await service.says("Node is up")
            await running.stack.stop()
            await service.says("NATS is gone")
            former = folder.authority.read_bytes()
            for file in folder.tls.iterdir():
                file.unlink()
            keep_in_folder(folder.tls, clock)  # another one's: the former is not known any more
            newer = folder.authority.read_bytes()
            folder.authority.write_bytes(former)
            again = Stack(folder.logs, tmp_path, lambda _: None)
            try:
                await again.start(infrastructure(Wishes(ports=running.ports), folder.path, SCRIPTS), 60)
                await service.says("NATS is not back yet")
                await service.says("certificate verify failed")
                folder.authority.write_bytes(newer)
                await service.says("NATS is back")
            finally:
                await again.stop()


async def test_what_cannot_be_renewed_is_said_once_and_tried_again(tmp_path: Path, clock: Clock) -> None:
    folder, said, told = tmp_path / "tls", list[str](), list[object]()
    keep_in_folder(folder, clock)
    (folder / "nats.pem").unlink()
    (folder / "nats.pem").mkdir()
    keeper = asyncio.create_task(keep_renewed(folder, told.append, said.append, every_s=0.01, clock=clock))

    await eventually(lambda: said, what="the reason")
    assert said == [f"cannot renew the certificates in {folder}: Is a directory"]
    (folder / "nats.pem").rmdir()
    await eventually(lambda: told == [set(TlsServer)], what="the next try")
    assert len(said) == 2
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
