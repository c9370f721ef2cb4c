"""The words of ARM templates that the other modules use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

VERSIONS = {
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Compute/virtualMachines": "2024-07-01",
    "Microsoft.Compute/virtualMachineScaleSets": "2024-07-01",
    "Microsoft.Insights/autoscalesettings": "2022-10-01",
    "Microsoft.KeyVault/vaults": "2023-07-01",
    "Microsoft.KeyVault/vaults/secrets": "2023-07-01",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "2023-01-31",
    "Microsoft.Network/applicationGateways": "2024-05-01",
    "Microsoft.Network/dnsZones/A": "2018-05-01",
    "Microsoft.Network/natGateways": "2024-05-01",
    "Microsoft.Network/networkInterfaces": "2024-05-01",
    "Microsoft.Network/networkSecurityGroups": "2024-05-01",
    "Microsoft.Network/privateDnsZones": "2020-06-01",
    "Microsoft.Network/privateDnsZones/A": "2020-06-01",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "2020-06-01",
    "Microsoft.Network/publicIPAddresses": "2024-05-01",
    "Microsoft.Network/virtualNetworks": "2024-05-01",
}
GLOBAL = frozenset(kind for kind in VERSIONS if "DnsZones" in kind or "dnsZones" in kind)


def parameter(name: str) -> str:
    """The value of a parameter."""
    return f"[parameters('{name}')]"


def own(name: str) -> str:
    """An expression, without brackets, for the name of something of this cluster."""
    return f"format('{{0}}-{name}', parameters('cluster'))"


def identifier(kind: str, *names: str) -> str:
    """An expression, without brackets, for the id of a resource. `names`: expressions for each part of its name."""
    return f"resourceId('{kind}', {', '.join(names)})"


def bracketed(expression: str) -> str:
    """The expression where a template has a value."""
    return f"[{expression}]"


def reference(kind: str, *names: str) -> Json:
    """A resource that another one names by its id."""
    return {"id": bracketed(identifier(kind, *names))}


def resource(
    kind: str,
    name: str,
    properties: Json | None = None,
    *,
    after: Sequence[str] = (),
    skip: Mapping[str, str] | None = None,
    **more: Any,
) -> Json:
    """A resource. `name`: an expression. `after`: expressions for the ids of what must be there before. `skip`: checks
    of checkov that do not fit here, each with the reason. `more`: what stands beside its properties."""
    found: Json = {"type": kind, "apiVersion": VERSIONS[kind], "name": bracketed(name)}
    if skip:
        found["metadata"] = {"checkov": {"skip": [{"id": one, "comment": why} for one, why in skip.items()]}}
    if not kind.startswith("Microsoft.Authorization/") and kind.count("/") == 1:
        found["location"] = "global" if kind in GLOBAL else parameter("location")
    found |= more
    if after:
        found["dependsOn"] = [bracketed(one) for one in after]
    if properties is not None:
        found["properties"] = properties
    return found
