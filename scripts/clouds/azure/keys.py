"""The vault with the cluster's keys, and who each kind of machine is."""

from __future__ import annotations

from typing import Any

from scripts.clouds.azure.network import SUBNETS, subnet
from scripts.clouds.azure.parameters import keys_of, readers
from scripts.clouds.azure.terms import Json, bracketed, identifier, own, parameter, resource
from scripts.clouds.groups import GROUPS

VAULT = "Microsoft.KeyVault/vaults"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
ROLE = "Microsoft.Authorization/roleAssignments"
SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
VAULT_NAME = "variables('vault')"
CERTIFICATE = "certificate"
READS_SECRETS, TELLS_FIGURES, PULLS = (
    "4633458b-17de-408a-b874-0445c86b69e6",
    "3913510d-42f4-4e42-8a64-420c390055eb",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",
)
"""Roles of Azure's: Key Vault Secrets User, Monitoring Metrics Publisher, AcrPull."""
VARIABLES = {"vault": "[take(format('{0}{1}', parameters('cluster'), uniqueString(resourceGroup().id)), 24)]"}


def identity(reader: str) -> str:
    """An expression for the id of who a machine is."""
    return identifier(IDENTITY, own(reader))


def secret_url(name: str) -> str:
    """An expression for the address of a secret, always of its newest version."""
    return f"format('https://{{0}}{{1}}/secrets/{name}', {VAULT_NAME}, environment().suffixes.keyvaultDns)"


def keys() -> list[Json]:
    """The vault, what lies in it, and who may read what."""
    rules = [{"id": bracketed(subnet(name))} for name in SUBNETS]
    vault = resource(
        VAULT,
        VAULT_NAME,
        {
            "tenantId": "[subscription().tenantId]",
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
            "enablePurgeProtection": True,
            "enabledForTemplateDeployment": False,
            "networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices", "virtualNetworkRules": rules},
        },
        skip={
            "CKV_AZURE_189": "Only the subnets of this cluster reach it; a private endpoint costs money by the hour."
        },
        after=[identifier("Microsoft.Network/virtualNetworks", own("net"))],
    )
    found = [vault, kept(CERTIFICATE, "certificate", "application/x-pkcs12"), *somebody("gateway", CERTIFICATE)]
    for reader in readers():
        found += [kept(reader, keys_of(reader), "application/json"), *somebody(reader, reader), may_pull(reader)]
    return found + [tells_figures(group.kind) for group in GROUPS if group.metrics]


def kept(name: str, given: str, sort: str) -> Json:
    """A secret, which the deployment was given."""
    return resource(
        f"{VAULT}/secrets",
        f"format('{{0}}/{name}', {VAULT_NAME})",
        {"value": parameter(given), "contentType": sort},
        skip={
            "CKV_AZURE_41": "The cluster must not stop on a date; `rillcast cloud-keys` renews what has an end.",
        },
        after=[identifier(VAULT, VAULT_NAME)],
    )


def somebody(reader: str, secret: str) -> list[Json]:
    """Who a machine is, and that it may read one secret."""
    scope = scope_of(secret)
    there = identifier(f"{VAULT}/secrets", VAULT_NAME, f"'{secret}'")
    return [
        resource(IDENTITY, own(reader)),
        may(reader, READS_SECRETS, scope, [there, identity(reader)]),
    ]


def may(reader: str, role: str, scope: str, after: list[str], condition: str = "") -> Json:
    """A role of a machine, for one resource."""
    properties = {
        "roleDefinitionId": f"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{role}')]",
        "principalId": f"[reference({identity(reader)}, '2023-01-31').principalId]",
        "principalType": "ServicePrincipal",
    }
    more: dict[str, Any] = {"condition": condition} if condition else {}
    name = role_name(reader, role, scope)
    return resource(ROLE, name, properties, scope=bracketed(scope), after=after, **more)


def role_name(reader: str, role: str, scope: str) -> str:
    """An expression for the name of an assignment, the same at each deployment."""
    return f"guid({scope}, '{reader}', '{role}')"


def scope_of(secret: str) -> str:
    """An expression for a secret, as the scope of a role."""
    return f"format('Microsoft.KeyVault/vaults/{{0}}/secrets/{secret}', {VAULT_NAME})"


def reads_certificate() -> list[str]:
    """Expressions for what must be there before the gateway can read its certificate."""
    there = identifier(f"{VAULT}/secrets", VAULT_NAME, f"'{CERTIFICATE}'")
    role = role_name("gateway", READS_SECRETS, scope_of(CERTIFICATE))
    return [there, f"extensionResourceId({there}, '{ROLE}', {role})"]


def may_pull(reader: str) -> Json:
    """To get the image, if it lies in a registry of Azure."""
    scope = "format('Microsoft.ContainerRegistry/registries/{0}', parameters('registryName'))"
    return may(reader, PULLS, scope, [identity(reader)], "[not(empty(parameters('registryName')))]")


def tells_figures(kind: str) -> Json:
    """To tell Azure Monitor what its own scale set measures."""
    scope = f"format('{SCALE_SET}/{{0}}', {own(kind)})"
    return may(kind, TELLS_FIGURES, scope, [identifier(SCALE_SET, own(kind)), identity(kind)])
