"""Writes azure_types.json: what Azure's own libraries for Python know of the resources in the template, as JSON Schema.

The libraries are large and only looked at here, so the schema is kept. To write it anew, in an environment of its own:

    pip install azure-mgmt-network==33.1.0 azure-mgmt-compute==39.0.0 azure-mgmt-keyvault==14.1.0 \
        azure-mgmt-monitor==7.0.0 azure-mgmt-privatedns==2.0.0 azure-mgmt-dns==9.0.0 azure-mgmt-msi==7.1.0 \
        azure-mgmt-authorization==4.0.0
    python tests/deploy/clouds/azure_types.py > tests/deploy/clouds/azure_types.json
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import importlib
import json
import sys
import types
import typing
from typing import Any

NETWORK, DNS, PRIVATE = "azure.mgmt.network.models", "azure.mgmt.dns.models", "azure.mgmt.privatedns.models"
ROOTS = {
    "Microsoft.Authorization/roleAssignments": (
        "azure.mgmt.authorization.v2022_04_01.models",
        "RoleAssignmentCreateParameters",
    ),
    "Microsoft.Compute/virtualMachines": ("azure.mgmt.compute.models", "VirtualMachine"),
    "Microsoft.Compute/virtualMachineScaleSets": ("azure.mgmt.compute.models", "VirtualMachineScaleSet"),
    "Microsoft.Insights/autoscalesettings": ("azure.mgmt.monitor.models", "AutoscaleSettingResource"),
    "Microsoft.KeyVault/vaults": ("azure.mgmt.keyvault.models", "VaultCreateOrUpdateParameters"),
    "Microsoft.KeyVault/vaults/secrets": ("azure.mgmt.keyvault.models", "SecretCreateOrUpdateParameters"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("azure.mgmt.msi.models", "Identity"),
    "Microsoft.Network/applicationGateways": (NETWORK, "ApplicationGateway"),
    "Microsoft.Network/dnsZones/A": (DNS, "RecordSet"),
    "Microsoft.Network/natGateways": (NETWORK, "NatGateway"),
    "Microsoft.Network/networkInterfaces": (NETWORK, "NetworkInterface"),
    "Microsoft.Network/networkSecurityGroups": (NETWORK, "NetworkSecurityGroup"),
    "Microsoft.Network/privateDnsZones": (PRIVATE, "PrivateZone"),
    "Microsoft.Network/privateDnsZones/A": (PRIVATE, "RecordSet"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (PRIVATE, "VirtualNetworkLink"),
    "Microsoft.Network/publicIPAddresses": (NETWORK, "PublicIPAddress"),
    "Microsoft.Network/virtualNetworks": (NETWORK, "VirtualNetwork"),
}
EXPRESSION = {"type": "string", "pattern": r"^\[.*\]$"}
"""Any value of a template may be computed."""
SCALARS = {"str": "string", "bool": "boolean", "int": "integer", "long": "integer", "float": "number"}


class Schema:
    """Grows as models are looked at."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, model: type) -> dict[str, Any]:
        """A reference to the schema of a model."""
        name = f"{model.__module__.split('.')[2]}.{model.__name__}"
        if name not in self.definitions:
            self.definitions[name] = {}  # before its fields, since models hold each other
            self.definitions[name].update(
                self._older(model) if hasattr(model, "_attribute_map") else self._newer(model)
            )
        return {"$ref": f"#/$defs/{name}"}

    def _newer(self, model: type) -> dict[str, Any]:
        object_of: Any = model
        object_of.__new__(model)  # only then does a model know its fields
        hints = hints_of(model)
        properties: dict[str, Any] = {}
        required = []
        for attribute, field in model._attr_to_rest_field.items():  # type: ignore[attr-defined]
            if field._visibility == ["read"]:
                continue
            hint = hints[attribute]
            properties[field._rest_name] = self._hint(hint)
            if type(None) not in typing.get_args(hint):
                required.append(field._rest_name)
        return closed(properties, required)

    def _hint(self, hint: Any) -> dict[str, Any]:  # noqa: PLR0911
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            choices = [one for one in arguments if one is not type(None)]
            enums = [one for one in choices if isinstance(one, type) and issubclass(one, enum.Enum)]
            return self._hint(enums[0] if enums else choices[0])
        if origin is typing.Literal:
            return one_of([getattr(one, "value", one) for one in arguments])
        if origin in (list, collections.abc.MutableSequence):
            return listed(self._hint(arguments[0]))
        if origin in (dict, collections.abc.MutableMapping):
            return {"type": "object", "additionalProperties": self._hint(arguments[1])}
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return one_of([one.value for one in hint])
        if isinstance(hint, type) and hint.__module__.startswith("azure.mgmt"):
            return self.of(hint)
        if isinstance(hint, type) and hint.__name__ in SCALARS:
            return scalar(SCALARS[hint.__name__])
        if isinstance(hint, type) and issubclass(hint, datetime.date | datetime.timedelta | bytes):
            return scalar("string")
        return {}

    def _older(self, model: Any) -> dict[str, Any]:
        """Of the earlier generator: a path like `properties.profiles`, and the type in words."""
        whole: dict[str, Any] = closed({}, [])
        rules = getattr(model, "_validation", {})
        for attribute, said in model._attribute_map.items():
            rule = rules.get(attribute, {})
            if rule.get("readonly"):
                continue
            *folders, name = said["key"].replace("\\.", "\0").split(".")
            place = whole
            for folder in folders:
                place = place["properties"].setdefault(folder, closed({}, []))
            place["properties"][name.replace("\0", ".")] = self._words(model, said["type"])
            if rule.get("required"):
                place["required"].append(name)
        return whole

    def _words(self, model: Any, words: str) -> dict[str, Any]:
        if words.startswith("["):
            return listed(self._words(model, words[1:-1]))
        if words.startswith("{"):
            return {"type": "object", "additionalProperties": self._words(model, words[1:-1])}
        if words in SCALARS:
            return scalar(SCALARS[words])
        found = getattr(importlib.import_module(model.__module__.rpartition(".")[0]), words, None)
        return self.of(found) if isinstance(found, type) and hasattr(found, "_attribute_map") else scalar("string")


def hints_of(model: type) -> dict[str, Any]:
    """The types of its fields. Models of one library name each other by the module."""
    package = model.__module__.rpartition(".")[0]
    known = {"_models": importlib.import_module(package), "datetime": datetime}
    found: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith("azure.mgmt"):
            names = {**vars(sys.modules[base.__module__]), **known}
            for name, words in vars(base).get("__annotations__", {}).items():
                found[name] = eval(words, names) if isinstance(words, str) else words
    return {name: resolved(hint, package) for name, hint in found.items()}


def resolved(hint: Any, package: str) -> Any:
    """Names that stand inside of a type."""
    names = {**vars(importlib.import_module(package)), "_models": importlib.import_module(package)}
    return typing.get_type_hints(types.SimpleNamespace(__annotations__={"x": hint}), names, names)["x"]


def closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """An object that has nothing else."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """A list, or an expression for it."""
    return {"anyOf": [{"type": "array", "items": items}, EXPRESSION]}


def scalar(kind: str) -> dict[str, Any]:
    """A value, or an expression for it."""
    return {"type": "string"} if kind == "string" else {"anyOf": [{"type": kind}, EXPRESSION]}


def one_of(values: list[Any]) -> dict[str, Any]:
    """One of a few words, or an expression for it."""
    return {"anyOf": [{"enum": sorted(values)}, EXPRESSION]}


def main() -> None:
    """The schema on standard output."""
    schema = Schema()
    roots = {kind: schema.of(getattr(importlib.import_module(module), name)) for kind, (module, name) in ROOTS.items()}
    lines = [
        f"{json.dumps(name)}: {json.dumps(one, sort_keys=True)}" for name, one in sorted(schema.definitions.items())
    ]
    sys.stdout.write(f'{{"roots": {json.dumps(roots)},\n"$defs": {{\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
