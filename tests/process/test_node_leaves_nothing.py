"""A node that is taken away leaves nothing behind: no registration, no seat, no lifeline, nothing that others remember.
A node that is added gets new work as soon as it says that it is ready."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeReport
from rillcast.contracts.subjects import BUCKET_LICENSE
from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.node import Node
from rillcast.runtime.settings import NodeSettings, env_prefix
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import consul_agent, nats_server
from rillcast.testing.services import ServiceProcess, service_process
from tests.process.patched import patch_services

EDGE = NodeId("edge-1")
NOT_YET = (AssertionError, RillcastError, httpx.HTTPError)
"""Whoever is asked may be slow on a busy machine."""


class SignalingSettings(NodeSettings):
    model_config = env_prefix("signaling")


class Site:
    """An observer that watches edges as signaling does, beside a real license service."""

    def __init__(self, node: Node, settings: dict[str, str]) -> None:
        self.node = node
        self.settings = settings

    async def remembered(self) -> dict[str, object]:
        """What is there of the edge, by where."""
        found: dict[str, object] = {}
        found |= {f"heard of: {one.info.node}": one for one in self.node.directory.all() if one.info.node == EDGE}
        found |= {f"registered: {node}": info for node, info in self.node.discovery.nodes(NodeKind.EDGE).items()}
        if "consul_url" in self.settings:
            async with httpx.AsyncClient(trust_env=False) as http:
                answer = await http.get(f"{self.settings['consul_url']}/v1/agent/services")
                found |= {f"in Consul: {name}": entry for name, entry in answer.json().items() if name == EDGE}
                answer = await http.get(f"{self.settings['consul_url']}/v1/agent/checks")
                found |= {f"checked: {name}": entry for name, entry in answer.json().items() if EDGE in name}
        seats = await self.node.kv(BUCKET_LICENSE)
        found |= {f"seat: {entry.key}": entry for entry in await seats.entries() if EDGE in entry.key}
        async with httpx.AsyncClient(trust_env=False) as http:
            shown = (await http.get(f"http://{self.node.info.admin_address}/readyz")).json()["nodes"]
        return found | ({"watched": shown} if shown != {"lifelines": 0, "doubtful": {}} else {})


@pytest.fixture(params=["nats", "consul"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server())
        settings = {"nats_url": nats.url, "discovery": request.param}
        if request.param == "consul":
            settings["consul_url"] = (await stack.enter_async_context(consul_agent())).url
        await stack.enter_async_context(service_process(NodeKind.LICENSE, tmp_path, seat_ttl_s=2, **settings))
        read = SignalingSettings.model_validate({**settings, "log_level": "error"})
        node = await stack.enter_async_context(Node(read, NodeKind.SIGNALING, watches=(NodeKind.EDGE,)))
        yield Site(node, settings)


async def taken_in(site: Site, edge: ServiceProcess) -> None:
    """Wait until the edge has its seat, and would be given new work."""

    async def complete() -> bool:
        assert EDGE in site.node.directory.placeable(NodeKind.EDGE), edge.log[-1_000:]
        found = await site.remembered()
        return any(where.startswith("seat") for where in found) and "watched" in found

    await eventually(complete, 80, "the edge being a part of the cluster", not_yet=NOT_YET)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["in order", "killed"])
async def test_a_node_that_is_removed_leaves_nothing(site: Site, how: signal.Signals, tmp_path: Path) -> None:
    async with service_process(NodeKind.EDGE, tmp_path, drain_timeout_s=1, **site.settings) as edge:
        await taken_in(site, edge)
        edge.send(how)
        await edge.end()
    killed_with_consul = how is signal.SIGKILL and "consul_url" in site.settings

    async def nothing() -> bool:
        left = await site.remembered()
        if killed_with_consul:  # Consul itself forgets it after a minute, the shortest that it knows
            left = {where: what for where, what in left.items() if not where.startswith(("in Consul", "checked"))}
        assert left == {}
        return True

    await eventually(nothing, 30, "nothing being left of the edge", not_yet=NOT_YET)


async def test_a_node_that_is_added_gets_work_as_soon_as_it_has_said_that_it_is_ready(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So Consul knows it because the edge says it, and not because a check finds it out.
    patch_services(
        monkeypatch, tmp_path / "patched", {"rillcast.runtime.discovery.consul_discovery.CHECK_INTERVAL": "1h"}
    )
    node = site.node
    beats: list[tuple[bool, bool]] = []
    """Of each heartbeat that says "ready": whether discovery knows it then, and whether the edge would get work."""

    async def heard(_subject: str, report: NodeReport) -> None:
        if report.ready:
            known = EDGE in node.discovery.nodes(NodeKind.EDGE)
            beats.append((known, EDGE in node.directory.placeable(NodeKind.EDGE)))

    await node.bus.listen(subjects.node_reported(NodeKind.EDGE, EDGE), NodeReport, heard)
    async with service_process(NodeKind.EDGE, tmp_path, drain_timeout_s=1, **site.settings):
        await eventually(lambda: any(gets for _, gets in beats), 80, "the edge being placeable")
    assert all(gets for known, gets in beats if known), "it waits for nothing else"
    if "consul_url" not in site.settings:
        assert beats.index((True, True)) <= 1, "with its first one, whether that is heard here or there first"
