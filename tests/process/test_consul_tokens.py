"""Nodes and a Consul that asks for tokens: a missing permission is said in words, and may be given back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from rillcast.cli.consul_setup import set_up
from rillcast.contracts.registry import RegistryUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import Tokens, new_token
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import ConsulAgent, NatsServer, consul_agent, nats_server, need_consul
from rillcast.testing.services import ServiceProcess, service_process

REFUSED = 'failed to sync remote state: error="ACL not found"'
"""In the agent's log: once when there is a leader, once some seconds later, and then for 15 s not again."""


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with nats_server() as running:
        yield running


@pytest.fixture
async def agent() -> AsyncIterator[ConsulAgent]:
    need_consul()
    async with consul_agent(users=True) as running:
        await set_up(running.url, tokens_of(running), "test")
        yield running


def tokens_of(agent: ConsulAgent) -> Tokens:
    assert agent.tokens is not None
    return agent.tokens


async def readyz(service: ServiceProcess) -> tuple[bool, str]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = (await client.get(service.admin + "/readyz")).json()
        return answer["ready"], str(answer.get("reasons"))


async def denied(service: ServiceProcess) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        lines = (await client.get(service.admin + "/metrics")).text.splitlines()
    return any(line.startswith("rillcast_discovery_denied_total{") and not line.endswith(" 0.0") for line in lines)


@pytest.mark.parametrize(
    ("whose", "why"),
    [
        ("edge", "the token in RILLCAST_CONSUL_TOKEN lacks service:write on rillcast-license"),
        ("stranger", "it does not know the token in RILLCAST_CONSUL_TOKEN"),
        ("", "RILLCAST_CONSUL_TOKEN is not set, and nobody has service:write on rillcast-license without a token"),
    ],
)
async def test_a_node_with_a_wrong_token_does_not_start_and_says_why(
    nats: NatsServer, agent: ConsulAgent, tmp_path: Path, whose: str, why: str
) -> None:
    known = {"edge": tokens_of(agent).users[RegistryUser.EDGE], "stranger": new_token(), "": ""}
    settings = {"nats_url": nats.url, "discovery": "consul", "consul_url": agent.url, "consul_token": known[whose]}
    async with service_process(NodeKind.LICENSE, tmp_path, **settings) as service:
        await eventually(lambda: service.returncode is not None, 60, "the end of the node")

        assert service.returncode not in {0, None}
        assert f"Consul does not let this node register rillcast-license: {why}" in service.log
        assert "Traceback" not in service.log
        assert not known[whose] or known[whose] not in service.log


async def test_a_node_whose_token_is_taken_away_is_not_ready_until_it_has_it_back(
    nats: NatsServer, agent: ConsulAgent, tmp_path: Path
) -> None:
    tokens = tokens_of(agent)
    own = tokens.users[RegistryUser.LICENSE]
    settings = {"nats_url": nats.url, "discovery": "consul", "consul_url": agent.url, "consul_token": own}
    async with service_process(NodeKind.LICENSE, tmp_path, **settings) as service:

        async def is_ready() -> bool:
            return (await readyz(service))[0]

        async def says_why() -> bool:
            ready, reasons = await readyz(service)
            return not ready and "it does not know the token in RILLCAST_CONSUL_TOKEN" in reasons

        await eventually(is_ready, 60, "the node being ready", not_yet=(httpx.HTTPError,))
        assert not await denied(service)

        await set_up(agent.url, replace(tokens, users={**tokens.users, RegistryUser.LICENSE: new_token()}), "test")
        await eventually(says_why, 60, "the refusal being told")
        assert await denied(service)

        await set_up(agent.url, tokens, "test")
        await eventually(is_ready, 60, "the node being ready again")


async def test_a_consul_that_is_started_again_takes_no_node_out_of_service(
    nats: NatsServer, agent: ConsulAgent, tmp_path: Path
) -> None:
    own = tokens_of(agent).users[RegistryUser.LICENSE]
    settings = {"nats_url": nats.url, "discovery": "consul", "consul_url": agent.url, "consul_token": own}
    async with service_process(NodeKind.LICENSE, tmp_path, **settings) as service:

        async def is_ready() -> bool:
            return (await readyz(service))[0]

        await eventually(is_ready, 60, "the node being ready", not_yet=(httpx.HTTPError,))
        await agent.kill()
        await service.says("Consul does not tell who is there")
        await agent.start()
        seen = [await is_ready()]

        async def registered() -> bool:
            seen.append(await is_ready())
            async with httpx.AsyncClient(trust_env=False, headers={"X-Consul-Token": own}) as client:
                answer = await client.get(f"{agent.url}/v1/health/service/rillcast-license?passing=1")
            return bool(answer.raise_for_status().json())

        await eventually(registered, 60, "the registration", not_yet=(httpx.HTTPError,))
        assert all(seen)


async def test_a_consul_that_asks_nobody_for_a_token_is_said(nats: NatsServer, tmp_path: Path) -> None:
    need_consul()
    async with consul_agent() as open_agent:
        settings = {"nats_url": nats.url, "discovery": "consul", "consul_url": open_agent.url}
        async with service_process(NodeKind.LICENSE, tmp_path, **settings, consul_token=new_token()) as service:
            await service.says("Consul asks nobody for a token")
            await service.says("ours_is_ignored=True")


async def test_a_check_that_passes_counts_soon_though_the_agent_was_refused_before_it_had_its_token() -> None:
    """An agent that was refused tells the servers of no check for 15 to 30 s, unless it is told to."""
    need_consul()
    async with consul_agent(users=True) as agent:
        await eventually(lambda: agent.log.read_text(errors="replace").count(REFUSED) == 2, 20, "the agent's refusals")

        await set_up(agent.url, tokens_of(agent), "test")

        headers = {"X-Consul-Token": tokens_of(agent).management}
        service = {"Name": "one", "Check": {"HTTP": f"{agent.url}/v1/status/leader", "Interval": "1s"}}
        async with httpx.AsyncClient(base_url=agent.url, headers=headers, trust_env=False, timeout=5) as client:
            (await client.put("/v1/agent/service/register", json=service)).raise_for_status()

            async def passes() -> bool:
                return bool((await client.get("/v1/health/service/one?passing")).json())

            await eventually(passes, 12, "the service passes its check")
