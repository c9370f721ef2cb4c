"""The five services as processes on a real nats-server: SIGTERM ends them in order at every moment of their life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.subjects import BUCKET_SECRETS
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import NatsServer, nats_server
from rillcast.testing.services import ServiceProcess, service_process

PROMPT_S = 30.0
"""Half of the 60 s for which a start waits for NATS, far above what an orderly end takes on a busy machine."""
INTERRUPTED_TOO_LATE = "The start failed when it was to end anyway"
"""What a service logs that has waited to the end for what it needs, in spite of the signal."""

every_kind = pytest.mark.parametrize("kind", list(NodeKind))


async def is_up(service: ServiceProcess) -> None:
    """Wait until nothing but its seat is missing."""

    async def wired() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            reasons = (await client.get(service.admin + "/readyz")).json()["reasons"]
        return not reasons.keys() - {"license", "nodes"}

    await eventually(wired, 60, "the service being up", not_yet=(httpx.HTTPError,))


async def ends_in_order(service: ServiceProcess) -> None:
    code = await service.end(PROMPT_S)
    assert (code, "Traceback" in service.log, "ERROR" in service.log) == (0, False, False), service.log


@asynccontextmanager
async def key_value(nats: NatsServer, bucket: str) -> AsyncIterator[NatsKeyValue]:
    connection = NatsConnection(NodeSettings(nats_url=nats.url), "test")
    await connection.open()
    made = NatsKeyValue(connection, bucket)
    await made.open()
    yield made
    await connection.close()


@every_kind
async def test_sigterm_before_anything_is_up_is_no_failure(kind: NodeKind, tmp_path: Path) -> None:
    async with service_process(kind, tmp_path, nats_url="nats://127.0.0.1:1", connect_timeout_s=60) as service:
        await service.catches()
        service.send()
        await ends_in_order(service)


@every_kind
async def test_sigterm_while_the_store_is_waited_for_ends_the_start(kind: NodeKind, tmp_path: Path) -> None:
    async with (
        nats_server(jetstream=False) as nats,
        service_process(kind, tmp_path, nats_url=nats.url, connect_timeout_s=60) as service,
    ):
        await service.says("Node is up")
        service.send()
        await ends_in_order(service)
        assert INTERRUPTED_TOO_LATE not in service.log


async def test_sigterm_while_the_signing_key_is_waited_for_ends_the_start(tmp_path: Path) -> None:
    async with nats_server() as nats:
        async with key_value(nats, BUCKET_SECRETS) as secrets:
            await secrets.put("signaling_resource_key", b"too short")
        async with service_process(NodeKind.SIGNALING, tmp_path, nats_url=nats.url) as service:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as client:

                async def waits_for_the_key() -> bool:
                    return "signing key" in (await client.get(service.admin + "/readyz")).json()["reasons"]

                await eventually(waits_for_the_key, 60, "signaling waiting", not_yet=(httpx.HTTPError,))
            service.send()
            await ends_in_order(service)


@every_kind
async def test_sigterm_to_one_that_is_up(kind: NodeKind, tmp_path: Path) -> None:
    async with nats_server() as nats, service_process(kind, tmp_path, nats_url=nats.url) as service:
        await is_up(service)
        service.send()
        await service.says("Draining")
        service.send()
        await ends_in_order(service)


async def test_signals_that_go_on_until_it_is_gone_do_no_harm(tmp_path: Path) -> None:
    async with nats_server() as nats, service_process(NodeKind.LICENSE, tmp_path, nats_url=nats.url) as service:
        await is_up(service)

        async def gone() -> bool:
            service.send()
            return service.returncode is not None

        await eventually(gone, PROMPT_S, "the end", every_s=0.001)
        await ends_in_order(service)


@every_kind
@pytest.mark.parametrize("after_s", [0.0, 0.3])
async def test_sigterm_while_nats_goes_away_too(kind: NodeKind, after_s: float, tmp_path: Path) -> None:
    """As when a whole stack is taken down, whichever of the two is gone first."""
    async with nats_server() as nats, service_process(kind, tmp_path, nats_url=nats.url) as service:
        await is_up(service)
        await nats.kill()
        await asyncio.sleep(after_s)
        service.send()
        await ends_in_order(service)


@every_kind
async def test_sigterm_while_nats_is_frozen(kind: NodeKind, tmp_path: Path) -> None:
    async with (
        nats_server() as nats,
        service_process(kind, tmp_path, nats_url=nats.url, drain_timeout_s=1) as service,
    ):
        await is_up(service)
        nats.freeze()
        service.send()
        await ends_in_order(service)
