"""A real Consul with our access list: what the token of each user may do, and that it may do nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import pytest

from rillcast.cli.consul_setup import set_up
from rillcast.cli.faults import CannotGoOn
from rillcast.contracts.registry import RegistryUser, service_name
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.consul_acl import new_token
from rillcast.testing.servers import ConsulAgent, consul_agent, need_consul

MACHINE = "test"
REFUSALS = ("Permission denied", "ACL not found")
STRANGER = new_token()
READERS = [*NodeKind, RegistryUser.PROMETHEUS]


@dataclass(frozen=True)
class Action:
    """A request to Consul."""

    method: str
    path: str
    body: object = None


def instance(kind: NodeKind, node: str = "victim") -> dict[str, object]:
    return {"Name": service_name(kind), "ID": f"{node}-{kind}", "Port": 1}


def of_another(kind: NodeKind) -> list[Action]:
    """What may be done to `kind` by nobody of another kind."""
    service = {"Service": service_name(kind), "ID": f"victim-{kind}", "Port": 6}
    check = {"Name": "x", "ServiceID": f"victim-{kind}", "TTL": "10s"}
    return [
        Action("PUT", "/v1/agent/service/register", instance(kind)),
        Action("PUT", "/v1/agent/service/register", instance(kind, "another")),
        Action("PUT", f"/v1/agent/service/deregister/victim-{kind}"),
        Action("PUT", f"/v1/agent/service/maintenance/victim-{kind}?enable=true"),
        Action("PUT", "/v1/agent/check/register", check),
        Action("PUT", "/v1/catalog/register", {"Node": MACHINE, "Address": "127.0.0.1", "Service": service}),
        Action("PUT", "/v1/catalog/deregister", {"Node": MACHINE, "ServiceID": f"victim-{kind}"}),
    ]


FORBIDDEN = [
    Action("GET", "/v1/kv/secret"),
    Action("PUT", "/v1/kv/secret", "x"),
    Action("DELETE", "/v1/kv/secret"),
    Action("PUT", "/v1/session/create", {"Node": MACHINE}),
    Action("PUT", "/v1/event/fire/x", "x"),
    Action("POST", "/v1/query", {"Name": "x", "Service": {"Service": "consul"}}),
    Action("GET", "/v1/acl/tokens"),
    Action("GET", "/v1/acl/policies"),
    Action("GET", "/v1/acl/roles"),
    Action("PUT", "/v1/acl/policy", {"Name": "mine", "Rules": 'acl = "write"'}),
    Action("PUT", "/v1/acl/token", {"Policies": [{"Name": "global-management"}]}),
    Action("PUT", "/v1/acl/bootstrap"),
    Action("GET", "/v1/agent/self"),
    Action("PUT", "/v1/agent/reload"),
    Action("PUT", "/v1/agent/leave"),
    Action("PUT", "/v1/agent/maintenance?enable=true"),
    Action("PUT", "/v1/agent/join/127.0.0.1"),
    Action("PUT", "/v1/agent/token/agent", {"Token": STRANGER}),
    Action("PUT", "/v1/agent/service/register", {"Name": "mine", "Port": 1}),
    Action("PUT", "/v1/agent/service/register", {"Name": "rillcast", "Port": 1}),
    Action("PUT", "/v1/agent/check/register", {"Name": "mine", "TTL": "10s"}),
    Action("PUT", "/v1/catalog/register", {"Node": "mine", "Address": "192.0.2.1"}),
    Action("PUT", "/v1/catalog/deregister", {"Node": MACHINE}),
    Action("GET", "/v1/operator/raft/configuration"),
    Action("GET", "/v1/operator/keyring"),
    Action("GET", "/v1/snapshot"),
]


class Access:
    """An agent that knows our users, and requests to it."""

    def __init__(self, agent: ConsulAgent, client: httpx.AsyncClient) -> None:
        self.agent = agent
        self.client = client
        assert agent.tokens is not None
        self.tokens = agent.tokens

    async def ask(self, token: str, action: Action) -> httpx.Response:
        headers = {"X-Consul-Token": token} if token else {}
        return await self.client.request(action.method, action.path, json=action.body, headers=headers)

    async def status(self, token: str, action: Action) -> int:
        return (await self.ask(token, action)).status_code

    async def allowed(self, token: str, actions: list[Action]) -> list[tuple[Action, int, str]]:
        """Those that are not refused for want of a permission, with what Consul answers. It refuses some with 500."""
        answers = [(action, await self.ask(token, action)) for action in actions]
        return [
            (action, answer.status_code, answer.text)
            for action, answer in answers
            if answer.status_code < 400 or not any(words in answer.text for words in REFUSALS)
        ]

    async def names(self, token: str, path: str) -> str:
        answer = await self.client.get(path, headers={"X-Consul-Token": token})
        return answer.text


@pytest.fixture
async def access() -> AsyncIterator[Access]:
    need_consul()
    async with (
        consul_agent(users=True) as agent,
        httpx.AsyncClient(base_url=agent.url, timeout=30, trust_env=False) as client,
    ):
        running = Access(agent, client)
        await set_up(agent.url, running.tokens, MACHINE)
        assert await running.status(running.tokens.management, Action("PUT", "/v1/kv/secret", "hidden")) == 200
        yield running


async def test_each_kind_writes_its_own_name_and_nothing_else(access: Access) -> None:
    for kind in NodeKind:
        token = access.tokens.users[RegistryUser(kind)]
        assert await access.status(token, Action("PUT", "/v1/agent/service/register", instance(kind))) == 200

    for user in READERS:
        token = access.tokens.users[RegistryUser(user)]
        assert await access.allowed(token, FORBIDDEN) == [], user
        for other in NodeKind:
            if other.value != user:
                assert await access.allowed(token, of_another(other)) == [], user
        assert "hidden" not in await access.names(token, "/v1/kv/?recurse")
        assert await access.names(token, "/v1/kv/?keys") == "[]"

    for kind in NodeKind:
        token = access.tokens.users[RegistryUser(kind)]
        assert await access.status(token, Action("PUT", f"/v1/agent/service/deregister/victim-{kind}")) == 200


async def test_without_a_token_or_with_an_unknown_one_nobody_sees_or_does_anything(access: Access) -> None:
    edge = access.tokens.users[RegistryUser.EDGE]
    assert await access.status(edge, Action("PUT", "/v1/agent/service/register", instance(NodeKind.EDGE))) == 200

    for token in ("", STRANGER):
        assert await access.allowed(token, FORBIDDEN + of_another(NodeKind.EDGE)) == []
    for path in ("/v1/catalog/nodes", "/v1/health/service/rillcast-edge"):
        assert (await access.client.get(path)).json() == []


async def test_everybody_reads_who_is_there(access: Access) -> None:
    for kind in NodeKind:
        token = access.tokens.users[RegistryUser(kind)]
        assert await access.status(token, Action("PUT", "/v1/agent/service/register", instance(kind))) == 200

    for user in READERS:
        for kind in NodeKind:
            found = await access.names(access.tokens.users[RegistryUser(user)], f"/v1/health/service/rillcast-{kind}")
            assert f"victim-{kind}" in found, (user, kind)


async def test_a_new_token_ends_the_former_one(access: Access) -> None:
    former, new = access.tokens.users[RegistryUser.EDGE], new_token()
    changed = replace(access.tokens, users={**access.tokens.users, RegistryUser.EDGE: new})

    await set_up(access.agent.url, changed, MACHINE)
    await set_up(access.agent.url, changed, MACHINE)

    register = Action("PUT", "/v1/agent/service/register", instance(NodeKind.EDGE))
    assert await access.status(former, register) == 403
    assert await access.status(new, register) == 200


async def test_a_policy_that_somebody_widened_is_what_it_was_again(access: Access) -> None:
    management = {"X-Consul-Token": access.tokens.management}
    policy = (await access.client.get("/v1/acl/policy/name/rillcast-edge", headers=management)).json()
    wide = {**policy, "Rules": 'key_prefix "" { policy = "write" }'}
    await access.client.put(f"/v1/acl/policy/{policy['ID']}", json=wide, headers=management)
    write = Action("PUT", "/v1/kv/x", "x")
    assert await access.status(access.tokens.users[RegistryUser.EDGE], write) == 200

    await set_up(access.agent.url, access.tokens, MACHINE)

    assert await access.status(access.tokens.users[RegistryUser.EDGE], write) == 403


async def test_who_can_not_manage_consul_is_told(access: Access) -> None:
    edge = replace(access.tokens, management=access.tokens.users[RegistryUser.EDGE])

    with pytest.raises(CannotGoOn, match=r"does not take the access list: 403 .*lacks permission 'acl:"):
        await set_up(access.agent.url, edge, MACHINE, timeout_s=4)
