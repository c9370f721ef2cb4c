"""Gives Consul the policies and the tokens of our users, which it has no configuration file for."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from pathlib import Path
from typing import Any

import httpx

from rillcast.cli.faults import CannotGoOn
from rillcast.contracts.registry import RegistryUser, rules_of
from rillcast.runtime.discovery.consul_acl import Tokens

TIMEOUT_S = 30.0
_POLL_S = 0.2
_REQUEST_S = 3.0
_NOT_YET = (403, 500, 503)
"""What Consul answers before it has a leader, and before that one has made the first token."""


class _NotYet(Exception):
    """Consul isn't ready for this; the text says what it answered."""


async def set_up(
    url: str, tokens: Tokens, *agent_nodes: str, authority: Path | None = None, timeout_s: float = TIMEOUT_S
) -> None:
    """Make Consul know each user with its token and its policy, whatever it knew of them before. Waits until it is up.
    `agent_nodes`: the names in Consul of the machines with its agents. `authority`: the file of whom to trust, for an
    https URL. Raises CannotGoOn."""
    reason, verify = "no answer", _trusting(authority) if authority else True
    headers = {"X-Consul-Token": tokens.management}
    asking = httpx.AsyncClient(base_url=url, headers=headers, timeout=_REQUEST_S, verify=verify, trust_env=False)
    try:
        async with asyncio.timeout(timeout_s), asking as client:
            while True:
                try:
                    for user, secret in tokens.users.items():
                        await _make(client, user, secret, rules_of(user, *agent_nodes))
                    await _sync(client, tokens.users[RegistryUser.AGENT])
                    return
                except (httpx.TransportError, _NotYet) as error:
                    reason = str(error) or type(error).__name__
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise CannotGoOn(f"Consul at {url} does not take the access list: {reason}") from None


def _trusting(authority: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise CannotGoOn(f"cannot use {authority}: {error.strerror or error}") from error


async def _make(client: httpx.AsyncClient, user: RegistryUser, secret: str, rules: str) -> None:
    name = f"rillcast-{user}"
    policy = {"Name": name, "Rules": rules}
    known = await _call(client, "GET", f"/v1/acl/policy/name/{name}")
    await _call(client, "PUT", f"/v1/acl/policy/{known['ID']}" if known else "/v1/acl/policy", policy)
    accessor = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    token = {"AccessorID": accessor, "Description": name, "Policies": [{"Name": name}]}
    there = await _call(client, "GET", f"/v1/acl/token/{accessor}")
    if there and there.get("SecretID") != secret:  # a former one, which must not go on working
        await _call(client, "DELETE", f"/v1/acl/token/{accessor}")
        there = None
    await _call(
        client,
        "PUT",
        f"/v1/acl/token/{accessor}" if there else "/v1/acl/token",
        token if there else {**token, "SecretID": secret},
    )


async def _sync(client: httpx.AsyncClient, agent: str) -> None:
    """Have the agent tell the servers how the checks of nodes stand, now that it may. One that was refused tries again
    after 15 to 30 s only, but within 3 s when it is given its token once more."""
    await _call(client, "PUT", "/v1/agent/token/agent", {"Token": agent})


async def _call(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """What Consul answers; None when it knows no such thing. Raises CannotGoOn when it refuses for good."""
    answer = await client.request(method, path, json=body)
    # A server that does not lead passes on what the leader has said, with words of its own in front.
    if method == "GET" and (answer.status_code == 404 or "token does not exist" in answer.text):
        return None
    words = f"{answer.status_code} {answer.text.strip()[:200]}"
    if answer.status_code in _NOT_YET:
        raise _NotYet(words)
    if answer.status_code != 200:
        raise CannotGoOn(f"Consul refuses the access list: {words}")
    found = answer.json() if answer.content else None
    return found if isinstance(found, dict) else None
