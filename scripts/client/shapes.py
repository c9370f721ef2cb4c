"""Writes `rillcast/client/shapes`: a struct for each component that is not in the contracts already."""

from __future__ import annotations

import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.client.modules import Imports, module
from scripts.client.names import camel, module_of, snake
from scripts.client.operations import Operation
from scripts.client.types import Components, Schema

PACKAGE = "rillcast.client.shapes"
SHARED = "common"
LARGE = 100
"""A struct with more fields has a module of its own."""
UNSET = "UnsetType"
NULL = " | None"


class Shapes:
    """Which module has which component."""

    def __init__(self, components: Components, calls: Sequence[Operation]) -> None:
        self._components = components
        by_tag: dict[str, set[str]] = defaultdict(set)
        sent: set[str] = set()
        shown: set[str] = set()
        for call in calls:
            sent |= components.closure(components.used(call.body))
            shown |= components.closure(components.used(call.answer))
            by_tag[call.tag] |= components.closure(components.used(call.body) | components.used(call.answer))
        self._only_sent = sent - shown
        self._shared = {
            name
            for call in calls
            for schema in (call.body, call.answer)
            for name in components.reached(components.used(schema))
            if name in components.shared
        }
        users = Counter(name for names in by_tag.values() for name in names)
        self.homes = {
            name: self._home(name, tag if users[name] == 1 else SHARED)
            for tag, names in by_tag.items()
            for name in names
        }
        """The module of each component that is written."""

    def _home(self, name: str, tag: str) -> str:
        large = len(self._components.schemas[name].get("properties", ())) > LARGE
        return snake(self._components.name(name)) if large else module_of(tag)

    def where(self, component: str) -> tuple[str, str]:
        """The module from which a component is imported, and its name there."""
        home = self._components.shared.get(component)
        if home is not None:
            return home.module, home.name
        return f"{PACKAGE}.{self.homes[component]}", self._components.name(component)

    def files(self) -> dict[str, str]:
        """Modules by their name."""
        names: dict[str, list[str]] = defaultdict(list)
        for component, home in sorted(self.homes.items()):
            names[home].append(component)
        written = {home: self._module(home, self._in_order(names[home])) for home in sorted(names)}
        return {"__init__": self._index(), **written}

    def _index(self) -> str:
        imports = Imports()
        components = {*self.homes, *self._shared}
        exported = sorted(self._components.name(component) for component in components)
        for component in components:
            imports.add(*self.where(component))
        listed = ", ".join(json.dumps(name) for name in exported)
        return module("What REST takes and answers, as structs.", imports, [f"__all__ = [{listed}]"])

    def _module(self, home: str, components: Sequence[str]) -> str:
        imports = Imports()
        parts = [self._define(component, home, imports) for component in components]
        words = home.replace("_", " ")
        about = "several kinds of calls" if home == SHARED else f"calls about {words}"
        return module(f"Shapes of {about}.", imports, parts)

    def _in_order(self, components: Sequence[str]) -> list[str]:
        """Those first that others are made of."""
        found: list[str] = []

        def place(component: str) -> None:
            if component in components and component not in found:
                for below in sorted(self._components.used(self._components.schemas[component])):
                    if below != component:
                        place(below)
                found.append(component)

        for component in components:
            place(component)
        return found

    def _define(self, component: str, home: str, imports: Imports) -> str:
        schema, name = self._components.schemas[component], self._components.name(component)
        if "properties" not in schema:
            imports.add("typing", "Literal")
            about = schema.get("description", "")
            return f"{name} = {self._components.python_type(schema)}" + (f"\n{_docstring(about, 0)}" if about else "")
        imports.add("msgspec")
        for below in sorted(self._components.used(schema)):
            place, called = self.where(below)
            if place != f"{PACKAGE}.{home}":
                imports.add(place, called)
        wire_names = list(schema["properties"])
        renamed = any(camel(snake(wire)) == wire != snake(wire) for wire in wire_names)
        options = ["frozen=True", "kw_only=True", *(['rename="camel"'] if renamed else [])]
        if component in self._only_sent:
            options.append("omit_defaults=True")
        lines = [f"class {name}(msgspec.Struct, {', '.join(options)}):", _docstring(_about(schema), 4), ""]
        lines += (f"    {line}" for line in self._fields(schema, renamed=renamed, imports=imports))
        return "\n".join(lines)

    def _fields(self, schema: Schema, *, renamed: bool, imports: Imports) -> Iterator[str]:
        required = set(schema.get("required", ()))
        for wire, described in schema["properties"].items():
            name, kind = snake(wire), self._components.python_type(described)
            if "Any" in kind:
                imports.add("typing", "Any")
            if "Literal" in kind:
                imports.add("typing", "Literal")
            on_wire = (camel(name) if renamed else name) == wire
            options = {} if on_wire else {"name": json.dumps(wire)}
            if wire not in required:
                if "default" not in described:
                    plain = kind.removesuffix(NULL)
                    kind = f"{plain} | {UNSET}{NULL if plain != kind else ''}"
                    options["default"] = "UNSET"
                    imports.add("msgspec", UNSET)
                    imports.add("msgspec", "UNSET")
                else:
                    options |= _default(described["default"], kind)
            yield f"{name}: {kind}{_assigned(options)}"


def _about(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description") or f"{schema['title']}.")


def _default(value: Any, kind: str) -> dict[str, str]:
    if isinstance(value, list) and not value:
        return {"default_factory": "list"}
    if isinstance(value, dict):
        return {"default_factory": "dict" if kind.startswith("dict") else kind}
    if isinstance(value, list):
        raise ValueError(f"a default of {value} cannot be written")
    return {"default": repr(value)}


def _assigned(options: Mapping[str, str]) -> str:
    if not options:
        return ""
    if options.keys() == {"default"}:
        return f" = {options['default']}"
    return f" = msgspec.field({', '.join(f'{key}={value}' for key, value in options.items())})"


def _docstring(text: str, indent: int) -> str:
    words = " ".join(text.split())
    quoted = f'"""{words}"""'
    return textwrap.fill(
        quoted,
        120,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
