"""The rules for Consul: a kind of node writes its own name, reads the others, and has no other permission."""

from __future__ import annotations

import re

import pytest

from rillcast.contracts.registry import RegistryUser, rules_of, service_name
from rillcast.contracts.words import NodeKind

RULE = re.compile(r'(\w+) "([^"]*)" \{ policy = "(\w+)"( intentions = "deny")? \}')


def rules(user: RegistryUser) -> dict[tuple[str, str], str]:
    lines = rules_of(user, "machine").splitlines()
    found = [RULE.fullmatch(line) for line in lines]
    assert all(found), lines
    return {(match[1], match[2]): match[3] for match in found if match}


@pytest.mark.parametrize("kind", NodeKind)
def test_a_node_writes_its_own_name_only(kind: NodeKind) -> None:
    written = {what for what, policy in rules(RegistryUser(kind)).items() if policy != "read"}

    assert written == {("service", service_name(kind))}


@pytest.mark.parametrize("user", RegistryUser)
def test_everybody_reads_every_kind(user: RegistryUser) -> None:
    names = {name for resource, name in rules(user) if resource == "service"}

    assert names == {service_name(kind) for kind in NodeKind}


def test_prometheus_writes_nothing_and_the_agent_its_machine() -> None:
    assert set(rules(RegistryUser.PROMETHEUS).values()) == {"read"}
    assert rules(RegistryUser.AGENT)["node", "machine"] == "write"
    assert ("node_prefix", "") not in rules(RegistryUser.AGENT)
