"""The whole template, as text."""

from __future__ import annotations

import json

from scripts.clouds.azure.doors import doors
from scripts.clouds.azure.keys import VARIABLES, keys
from scripts.clouds.azure.machines import groups, nats, profiles
from scripts.clouds.azure.network import ADDRESS, network
from scripts.clouds.azure.parameters import parameters
from scripts.clouds.azure.terms import Json, identifier, own

PATH = "deploy/azure/rillcast.json"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
WRITTEN = "Written by `make clouds` from scripts/clouds. docs/clouds.md tells how to use it."


def template() -> Json:
    """The template as ARM reads it."""
    gateway = identifier(ADDRESS, own("gateway"))
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": {"description": WRITTEN},
        "parameters": parameters(),
        "variables": {**VARIABLES, **profiles()},
        "resources": [*network(), *keys(), *doors(), *groups(), *nats()],
        "outputs": {
            "address": {"type": "string", "value": "[format('https://{0}', parameters('domainName'))]"},
            "gateway": {"type": "string", "value": f"[reference({gateway}, '2024-05-01').ipAddress]"},
        },
    }


def render() -> str:
    """The template as text, the same each time."""
    return json.dumps(template(), indent=2, ensure_ascii=False) + "\n"
