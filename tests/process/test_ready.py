"""A whole cluster that starts at once: who is told that signaling is ready can publish and play."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import consul_agent, nats_server, need_consul
from rillcast.testing.services import ServiceProcess, service_process
from tests.process.patched import patch_services


async def readyz(service: ServiceProcess) -> dict[str, object]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer: dict[str, object] = (await client.get(service.admin + "/readyz")).json()
        return answer


@pytest.mark.parametrize("discovery", ["nats", "consul"])
async def test_signaling_that_is_ready_would_place_sessions(
    discovery: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else signaling says after ten seconds that it is ready, whoever is missing.
    patch_services(monkeypatch, tmp_path / "patched", {"rillcast.runtime.process.first_nodes.PATIENCE_S": 3_600.0})
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        settings: dict[str, object] = {"nats_url": nats.url, "discovery": discovery}
        if discovery == "consul":
            need_consul()
            settings["consul_url"] = (await stack.enter_async_context(consul_agent())).url
        kinds = (NodeKind.LICENSE, NodeKind.SIGNALING, NodeKind.ORIGIN, NodeKind.EDGE)
        services = {
            kind: await stack.enter_async_context(service_process(kind, tmp_path, **settings)) for kind in kinds
        }

        async def ready() -> dict[str, object]:
            answer = await readyz(services[NodeKind.SIGNALING])
            assert answer["ready"], answer
            return answer

        first = await eventually(ready, 80, "signaling being ready", not_yet=(AssertionError, httpx.HTTPError))

        placeable = first["placeable"]
        assert isinstance(placeable, dict)
        assert (placeable["origin"], placeable["edge"]) == (1, 1)
