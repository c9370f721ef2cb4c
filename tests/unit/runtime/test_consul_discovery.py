"""What runs for as long as a node is in Consul: a bug in it ends the node, and an agent that is away does not. An agent
that really answers: `tests/contract/test_contract_discovery.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind
from rillcast.runtime import metrics
from rillcast.runtime.discovery import consul_discovery
from rillcast.runtime.discovery.consul_discovery import ConsulDiscovery
from rillcast.runtime.tasks.supervisor import Supervisor

INFO = NodeInfo(node=NodeId("edge-1"), kind=NodeKind.EDGE, version="1", admin_address="127.0.0.1:1", incarnation="1")
QUERIES = [f"consul {kind}" for kind in NodeKind]


class FakeAgent:
    """A client of an agent that knows nobody. What it raises instead can be set, for each kind of call."""

    def __init__(self) -> None:
        self.http = self.agent = self.service = self
        self.queries_raise: Exception | None = None
        self.looks_raise: Exception | None = None
        self.looks = 0
        self.queries = 0
        self.closed = False

    async def get(self, _: object, path: str, **__: object) -> Any:
        if path.startswith("/v1/health"):
            self.queries += 1
            await asyncio.sleep(0.5)
            if self.queries_raise is not None:
                raise self.queries_raise
            return "1", False, []
        self.looks += 1
        if self.looks_raise is not None:
            raise self.looks_raise
        return None

    async def register(self, *_: object, **__: object) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> FakeAgent:
    made = FakeAgent()
    monkeypatch.setattr(consul_discovery, "consul_client", lambda *_: made)
    return made


@pytest.fixture
def crashed() -> list[str]:
    return []


@pytest.fixture
async def discovery(agent: FakeAgent, crashed: list[str]) -> AsyncIterator[ConsulDiscovery]:
    made = ConsulDiscovery("http://127.0.0.1:8500", supervisor=Supervisor(crashed.append))
    await made.open()
    yield made
    await made.close()
    assert agent.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_bug_in_a_query_ends_the_node(agent: FakeAgent, discovery: ConsulDiscovery, crashed: list[str]) -> None:
    before = {name: metrics.TASK_CRASHES.labels(name)._value.get() for name in QUERIES}
    agent.queries_raise = KeyError("a bug")

    await asyncio.sleep(10)

    assert sorted(crashed) == sorted(QUERIES)
    assert all(metrics.TASK_CRASHES.labels(name)._value.get() == n + 1 for name, n in before.items())


async def test_a_bug_in_the_look_at_the_registration_ends_the_node(
    agent: FakeAgent, discovery: ConsulDiscovery, crashed: list[str]
) -> None:
    await discovery.register(INFO)
    agent.looks_raise = KeyError("a bug")

    await asyncio.sleep(10)

    assert crashed == ["consul registration"]


async def test_an_agent_that_is_away_ends_nothing(
    agent: FakeAgent, discovery: ConsulDiscovery, crashed: list[str]
) -> None:
    await discovery.register(INFO)
    agent.queries_raise = agent.looks_raise = aiohttp.ClientConnectionError("refused")
    await asyncio.sleep(60)
    assert not discovery.reachable
    looks = agent.looks

    agent.queries_raise = agent.looks_raise = None
    await asyncio.sleep(30)

    assert discovery.reachable
    assert agent.looks > looks
    assert crashed == []


async def test_nothing_is_asked_any_more_once_it_is_closed(agent: FakeAgent) -> None:
    crashed: list[str] = []
    discovery = ConsulDiscovery("http://127.0.0.1:8500", supervisor=Supervisor(crashed.append))
    await discovery.open()
    await discovery.register(INFO)
    await asyncio.sleep(10)
    await discovery.close()
    asked = agent.queries, agent.looks

    await asyncio.sleep(60)

    assert (agent.queries, agent.looks) == asked
    assert crashed == []
