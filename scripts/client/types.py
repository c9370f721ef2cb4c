"""JSON schemas as types of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from scripts.client.names import class_name
from scripts.reference.found import modules_in

Schema = Mapping[str, Any]
_REF = "#/components/schemas/"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
ANYTHING = "Any"


class Components:
    """Which shapes there are, and where each is defined."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas = schemas
        contracts = _contracts()
        self.shared = {
            name: home for name, home in contracts.items() if name in schemas and _plain(schemas[name]) == home.schema
        }
        """Those that are the same as a type of `rillcast.contracts`, which is taken then."""
        own = sorted(name for name in schemas if name not in self.shared)
        self.own = own
        """Those that are written."""
        names = [self.name(name) for name in schemas]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two shapes would be called {', '.join(sorted(doubled))}")

    def name(self, component: str) -> str:
        """What a component is called in Python."""
        home = self.shared.get(component)
        return class_name(component) if home is None else home.name

    def python_type(self, schema: Schema) -> str:
        """The annotation. Limits of texts and numbers are the server's to check, so that it may change them."""
        if "$ref" in schema:
            return self.name(component_of(schema))
        if "anyOf" in schema:
            kinds = list(dict.fromkeys(self.python_type(one) for one in schema["anyOf"]))
            return ANYTHING if ANYTHING in kinds else " | ".join(kinds)
        kind = schema.get("type")
        if kind == "array":
            return f"list[{self.python_type(schema.get('items') or {})}]"
        if kind == "object":
            return f"dict[str, {self.python_type(schema.get('additionalProperties') or {})}]"
        if kind is None and "enum" in schema:
            return f"Literal[{', '.join(repr(one) for one in schema['enum'])}]"
        return ANYTHING if kind is None else _PLAIN[kind]

    def used(self, schema: Any) -> set[str]:
        """The components that a schema names itself."""
        return set(_references(schema))

    def reached(self, names: set[str]) -> set[str]:
        """Those, and whatever these name in turn."""
        found: set[str] = set()
        waiting = sorted(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.used(self.schemas[name])
        return found

    def closure(self, names: set[str]) -> set[str]:
        """Those of them that are written."""
        return self.reached(names) - self.shared.keys()


class Home(msgspec.Struct, frozen=True):
    """Where a type of the contracts is defined."""

    module: str
    name: str
    schema: dict[str, Any]


def component_of(schema: Schema) -> str:
    """The name of the component to which a schema refers."""
    return str(schema["$ref"]).removeprefix(_REF)


def _plain(schema: Schema) -> Any:
    """With the types of the contracts called by their own names, also those that have namesakes elsewhere."""
    text = msgspec.json.encode(schema).decode()
    return msgspec.json.decode(re.sub(rf"{_REF}rillcast\.contracts\.[\w.]+\.(\w+)", rf"{_REF}\1", text))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield component_of(schema)
        schema = list(schema.values())
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)


def _contracts() -> dict[str, Home]:
    """Every struct and enumeration of the contracts, by the name that the document would give it."""
    kinds = {
        kind: module.__name__
        for module in modules_in("rillcast.contracts")
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and _describable(kind)
    }
    found = {}
    for kind, module in kinds.items():
        _, components = msgspec.json.schema_components([kind], ref_template=_REF + "{name}")
        if schema := components.get(kind.__name__):
            schema = msgspec.json.decode(msgspec.json.encode(schema))
            found[kind.__name__] = found[f"{module}.{kind.__name__}"] = Home(module, kind.__name__, schema)
    return found


def _describable(kind: type) -> bool:
    try:
        msgspec.json.schema_components([kind])
    except TypeError:
        return False
    return True
