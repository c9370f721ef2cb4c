"""What is written in Consul, and who may do what there: the one table from which the access list is made.

There is one user of Consul for each kind of node, one for Prometheus, and one for the agent itself. A node registers
under the name of its kind, and only its kind may write that name. What is not allowed here is denied.
"""

from __future__ import annotations

from enum import StrEnum

from rillcast.contracts.words import NodeKind


class RegistryUser(StrEnum):
    """Who has a token for Consul, besides whoever manages it."""

    SIGNALING = "signaling"
    ORIGIN = "origin"
    EDGE = "edge"
    TRANSCODER = "transcoder"
    LICENSE = "license"
    PROMETHEUS = "prometheus"
    AGENT = "agent"


def service_name(kind: NodeKind) -> str:
    """The name under which nodes of this kind are registered."""
    return f"rillcast-{kind}"


def rules_of(user: RegistryUser, *agent_nodes: str) -> str:
    """The rules (HCL) of the policy of this user. Everybody reads who is there, which needs the name of the machine as
    well as that of the service. A kind of node writes its own name besides. The agent writes the machines
    `agent_nodes`, one of which it is."""
    rules = [_rule("service", service_name(kind), "write" if kind.value == user else "read") for kind in NodeKind]
    if user is RegistryUser.AGENT:
        rules += [_rule("node", name, "write") for name in agent_nodes]
    else:
        rules.append(_rule("node_prefix", "", "read"))
    return "\n".join(rules)


def _rule(resource: str, name: str, policy: str) -> str:
    # Who may read or write a service may read its intentions by default.
    intentions = ' intentions = "deny"' if resource == "service" else ""
    return f'{resource} "{name}" {{ policy = "{policy}"{intentions} }}'
