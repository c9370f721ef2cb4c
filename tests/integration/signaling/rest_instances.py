"""Signaling instances as processes on a real NATS server, for tests that ask them by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from rillcast.contracts.words import NodeKind
from rillcast.testing.servers import free_port, nats_server
from rillcast.testing.services import ServiceProcess, service_process

START_TIMEOUT_S = 180.0
"""With many records in the store, on a busy machine."""
ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RestInstance:
    """One of them."""

    process: ServiceProcess
    base: str
    token: str
    """What an operator who may do everything shows, as ``ProxyAuthorization``."""

    def http(self) -> httpx.AsyncClient:
        """Asks it as that operator."""
        headers = {"ProxyAuthorization": self.token}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False)


@asynccontextmanager
async def rest_instances(
    folder: Path, count: int = 2, *, nats_url: str = "", **settings: object
) -> AsyncIterator[Sequence[RestInstance]]:
    """So many instances, a license service and no node with media. Their logs lie in `folder`. `nats_url`: of a server
    that runs already."""
    async with AsyncExitStack() as stack:
        url = nats_url or (await stack.enter_async_context(nats_server())).url
        await stack.enter_async_context(service_process(NodeKind.LICENSE, folder, nats_url=url))
        yield [await stack.enter_async_context(_instance(folder, n, url, settings)) for n in range(1, count + 1)]


@asynccontextmanager
async def _instance(
    folder: Path, number: int, nats_url: str, settings: dict[str, object]
) -> AsyncIterator[RestInstance]:
    port, token = free_port(), folder / f"token-{number}"
    given = {
        "nats_url": nats_url,
        "node_id": f"signaling-{number}",
        "port": port,
        "local_token_path": token,
        "first_password_path": folder / f"password-{number}",
        **settings,
    }
    async with service_process(NodeKind.SIGNALING, folder, **given) as process:
        await process.says("Serves clients", START_TIMEOUT_S)
        yield RestInstance(process, f"http://127.0.0.1:{port}", token.read_text().strip())
        assert "Traceback" not in process.log, process.log[-4_000:]
