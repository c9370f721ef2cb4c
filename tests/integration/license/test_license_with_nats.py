"""The license service on a real NATS server: two instances, nodes that come, die and come again, and the real
process."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    Ack,
    LicenseInstall,
    LicenseStatus,
    LicenseStatusRequest,
    SeatAnswer,
    SeatRelease,
    SeatRequest,
)
from rillcast.contracts.subjects import (
    BUCKET_LICENSE,
    BUCKET_LICENSE_STATE,
    LICENSE_INSTALL,
    LICENSE_STATUS,
    license_acquire,
    license_release,
)
from rillcast.contracts.words import NodeKind
from rillcast.licensing.document import License, issue_license
from rillcast.runtime.bus.nats_bus import NatsBus
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, free_port, nats_server
from services.license.adapters.bus_requests import serve_requests
from services.license.usecases.license_vault import LicenseVault
from services.license.usecases.office import Office
from services.license.usecases.seat_desk import SeatDesk
from services.license.usecases.usage_meter import UsageMeter

KEY = Ed25519PrivateKey.generate()
TTL_S = 2.0
SEATS = 10


def license_of(total: int, license_id: str = "acme") -> str:
    now = int(time.time())
    return issue_license(
        License(license_id=license_id, licensee="Acme", limit_total=total, issued_at_s=now, not_after_s=now + 86_400),
        KEY,
    )


class Participant:
    """A connection of its own to the bus."""

    def __init__(self, server: NatsServer, name: str) -> None:
        self.connection = NatsConnection(NodeSettings(nats_url=server.url), name)
        self.bus: NatsBus

    async def open(self) -> Participant:
        await self.connection.open()
        self.bus = NatsBus(self.connection)
        return self

    async def close(self) -> None:
        await self.bus.close()
        await self.connection.close()

    async def status(self) -> LicenseStatus:
        return await self.bus.request(LICENSE_STATUS, LicenseStatusRequest(), LicenseStatus)

    async def acquire(self, node: str, incarnation: str = "1") -> SeatAnswer:
        request = SeatRequest(node=NodeId(node), kind=NodeKind.EDGE, incarnation=incarnation)
        return await self.bus.request(license_acquire(NodeKind.EDGE), request, SeatAnswer)


class Instance(Participant):
    """One instance of the license service inside this process."""

    async def open(self) -> Instance:
        await super().open()
        seats = NatsKeyValue(self.connection, BUCKET_LICENSE, TTL_S, storage="memory")
        state = NatsKeyValue(self.connection, BUCKET_LICENSE_STATE, storage="memory")
        await seats.open()
        await state.open()
        self.vault = LicenseVault(state, KEY.public_key(), None, time.time)
        self.desk = SeatDesk(seats, state, self.vault, time.monotonic, TTL_S)
        await self.vault.refresh()
        meter = UsageMeter(state, self.vault)
        office = Office(
            node=NodeId("license"), bus=self.bus, desk=self.desk, vault=self.vault, meter=meter, seat_ttl_s=TTL_S
        )
        await serve_requests(self.bus, office)
        self.looking = asyncio.create_task(self._look())
        return self

    async def close(self) -> None:
        self.looking.cancel()
        await super().close()

    async def _look(self) -> None:
        while True:
            await self.desk.used_by_kind()
            await self.vault.refresh()
            await asyncio.sleep(TTL_S / 5)


class Machine:
    """A place where one node runs at a time, renewing its seat; `kill` is SIGKILL."""

    def __init__(self, participant: Participant, name: str) -> None:
        self._participant = participant
        self._name = name
        self._starts = 0
        self._renewing: asyncio.Task[None] | None = None
        self.node = ""
        self.incarnation = ""

    async def start(self, *, same_id: bool = False, timeout_s: float = 40.0) -> None:
        """Start a node and wait for its seat, asking again while refused."""
        self._starts += 1
        self.node = self.node if same_id and self.node else f"{self._name}-{self._starts}"
        self.incarnation = f"run-{self._starts}"

        async def seated() -> bool:
            try:
                await self._participant.acquire(self.node, self.incarnation)
            except RillcastError as error:
                if error.code not in (ErrorCode.SEAT_REFUSED, ErrorCode.STORE_UNAVAILABLE):
                    pytest.fail(f"{self.node}: {error.message}")
                raise
            return True

        await eventually(seated, timeout_s, f"a seat for {self.node}", not_yet=(RillcastError,), every_s=TTL_S / 10)
        self._renewing = asyncio.create_task(self._renew())

    async def kill(self) -> None:
        assert self._renewing is not None
        self._renewing.cancel()
        async with within(10, f"the end of the renewals of {self.node}"):
            await asyncio.wait([self._renewing])
        assert self._renewing.cancelled(), f"a renewal of {self.node} failed: {self._renewing.exception()}"

    async def leave(self) -> None:
        await self.kill()
        release = SeatRelease(node=NodeId(self.node), incarnation=self.incarnation)
        await self._participant.bus.request(license_release(NodeKind.EDGE), release, Ack)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(TTL_S / 3)
            await self._participant.acquire(self.node, self.incarnation)


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as started:
        yield started


async def test_fifty_kills_and_reschedules_with_one_node_too_many(server: NatsServer) -> None:
    instances = [await Instance(server, f"license-{n}").open() for n in range(2)]
    nodes = await Participant(server, "nodes").open()
    try:
        await nodes.bus.request(LICENSE_INSTALL, LicenseInstall(license_of(SEATS)), LicenseStatus)
        for instance in instances:
            await instance.vault.refresh()
        machines = [Machine(nodes, f"edge-{n}") for n in range(SEATS)]
        await asyncio.gather(*(machine.start() for machine in machines))
        with pytest.raises(RillcastError, match="all 10 seats of license acme"):
            await nodes.acquire("one-too-many")
        highest = 0

        async def watch() -> None:
            nonlocal highest
            while True:
                highest = max(highest, sum((await nodes.status()).used_by_kind.values()))
                await asyncio.sleep(0.05)

        async def cycle(machine: Machine, times: int) -> None:
            for turn in range(times):
                await machine.kill()
                await machine.start(same_id=turn % 3 == 2)

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(cycle(machine, 5) for machine in machines))
        with pytest.raises(RillcastError, match="all 10 seats"):
            await nodes.acquire("one-too-many")
        watching.cancel()
        assert SEATS - 1 <= highest <= SEATS
        for machine in machines:
            await machine.leave()
        assert (await nodes.status()).used_by_kind == {}
        await asyncio.gather(*(machine.start() for machine in machines))
        for machine in machines:
            await machine.leave()
    finally:
        for participant in (nodes, *instances):
            await participant.close()


async def test_with_one_of_two_instances_gone_the_other_answers_for_the_same_seats(server: NatsServer) -> None:
    first, second = [await Instance(server, f"license-{n}").open() for n in range(2)]
    nodes = await Participant(server, "nodes").open()
    try:
        await first.vault.install(license_of(2).encode())
        await second.vault.refresh()
        machines = [Machine(nodes, f"edge-{n}") for n in range(2)]
        for machine in machines:
            await machine.start()
        await first.close()
        for _ in range(4):
            with pytest.raises(RillcastError, match="all 2 seats"):
                await nodes.acquire("edge-3")
        assert (await nodes.status()).used_by_kind == {"edge": 2}
        await machines[0].leave()
        await nodes.acquire("edge-3")
        await machines[1].leave()
    finally:
        await nodes.close()
        await second.close()


def environment(server: NatsServer, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    return {**kept, "RILLCAST_NATS_URL": server.url, "RILLCAST_KV_STORAGE": "memory", **more}


async def command(server: NatsServer, *arguments: str, **env: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from rillcast.cli.license import app; app()",
        *arguments,
        env=environment(server, **env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with within(30, "the end of the command"):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_the_process_takes_a_license_by_file_and_by_install_and_shows_it(
    server: NatsServer, tmp_path: Path
) -> None:
    public = tmp_path / "key.pub"
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    mounted, install = tmp_path / "mounted.jwt", tmp_path / "install.jwt"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.license",
        env=environment(
            server,
            RILLCAST_LICENSE_PUBLIC_KEY_FILE=str(public),
            RILLCAST_LICENSE_FILE=str(mounted),
            RILLCAST_LICENSE_ADMIN_PORT=str(free_port()),
        ),
    )
    nodes = await Participant(server, "nodes").open()

    async def shows(license_id: str) -> LicenseStatus:
        async def shown() -> LicenseStatus:
            if process.returncode is not None:
                pytest.fail(f"license ended with {process.returncode}")
            status = await nodes.status()
            assert status.license_id == license_id, status
            return status

        what = f"the license {license_id}"
        return await eventually(shown, 30, what, not_yet=(AssertionError, RillcastError), every_s=0.1)

    try:
        assert (await shows("community")).limit_total == 32
        mounted.write_text(license_of(3, "mounted"))
        assert (await shows("mounted")).limit_total == 3
        install.write_text(license_of(7, "installed"))
        code, output = await command(server, "install", str(install))
        assert (code, "0 of 7 taken" in output) == (0, True), output
        assert (await shows("installed")).limit_total == 7
        install.write_text(license_of(9)[:-4] + "AAAA")
        code, output = await command(server, "install", str(install))
        assert code == 1
        assert "license refused: the signature" in output
        code, output = await command(server, "status")
        assert (code, "installed (Acme)" in output) == (0, True), output
    finally:
        process.terminate()
        async with within(40, "the end of the service"):
            assert await process.wait() == 0
        await nodes.close()
