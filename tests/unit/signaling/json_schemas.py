"""JSON Schema as far as our OpenAPI document uses it: values that fit, values that nearly fit, and a check."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

KNOWN = {
    *("type", "properties", "required", "items", "additionalProperties", "propertyNames", "anyOf", "enum", "const"),
    *(
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "maxProperties",
        "minItems",
        "maxItems",
    ),
    *("pattern", "format", "$ref", "default", "description", "title", "prefixItems", "contentEncoding", "examples"),
}
"""Words that are understood or say nothing about a value. Another one would make the check blind."""
WORDS = ("", "s1", "live", "LiveApp", "720", "true", "null", "-1", "\u00e9", "\x00", "a/b", "..", "%00", "x" * 300)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 70), 1 << 70), st.floats(), st.sampled_from(WORDS)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)),
    max_leaves=6,
)

SIMPLE: dict[str | None, st.SearchStrategy[Any]] = {
    "string": st.one_of(st.sampled_from(WORDS), st.text(max_size=12)),
    "boolean": st.booleans(),
    "null": st.none(),
}


class Schemas:
    """Resolves the references of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components: dict[str, Schema] = document["components"]["schemas"]

    def resolved(self, schema: Schema) -> Schema:
        """What a reference points to, or the schema itself."""
        return self._components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def nearly(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Values that mostly fit."""
        return st.integers(0, 7).flatmap(lambda n: self.values(schema) if n else ANYTHING)

    def values(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Values whose type fits; limits are found from both sides, and objects have keys that nearly fit."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            return st.one_of(*(self.nearly(one) for one in schema["anyOf"]))
        if "enum" in schema:
            return st.one_of(st.sampled_from(schema["enum"]), st.sampled_from(WORDS))
        kind = schema.get("type")
        if kind == "object":
            return self._objects(schema)
        if kind == "array":
            return st.lists(self.nearly(schema.get("items", {})), max_size=4)
        return _numbers(schema) if kind in ("integer", "number") else SIMPLE.get(kind, ANYTHING)

    def _objects(self, schema: Schema) -> st.SearchStrategy[Any]:
        known = schema.get("properties", {})
        if not known:
            return st.dictionaries(
                st.sampled_from(WORDS), self.nearly(schema.get("additionalProperties") or {}), max_size=3
            )
        required = {name: self.nearly(known[name]) for name in schema.get("required", ())}
        others = {name: self.nearly(one) for name, one in known.items() if name not in required}
        picked = st.sets(st.sampled_from(sorted(others)), max_size=5) if others else st.just(set())
        return picked.flatmap(lambda names: st.fixed_dictionaries(required | {name: others[name] for name in names}))

    def fault(self, schema: Schema, value: Any, at: str = "answer") -> str | None:
        """What is wrong with a value; None if it fits."""
        schema = self.resolved(schema)
        unknown = set(schema) - KNOWN
        assert not unknown, f"the check does not know the words {unknown}"
        if "anyOf" in schema:
            faults = [self.fault(one, value, at) for one in schema["anyOf"]]
            return None if None in faults else " and ".join(filter(None, faults))
        if "enum" in schema and value not in schema["enum"]:
            return f"{at} is {value!r}, none of {schema['enum']}"
        if "type" in schema and not _is_of_type(schema["type"], value):
            return f"{at} is {value!r}, no {schema['type']}"
        return _limit_broken(schema, value, at) or self._fault_inside(schema, value, at)

    def _fault_inside(self, schema: Schema, value: Any, at: str) -> str | None:
        faults: list[str | None] = []
        if isinstance(value, dict):
            known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
            faults += [f"{at} lacks {name}" for name in schema.get("required", ()) if name not in value]
            faults += [self.fault(known[name], one, f"{at}.{name}") for name, one in value.items() if name in known]
            unnamed = {name: one for name, one in value.items() if name not in known}
            if others is False and unnamed:
                faults.append(f"{at} has {sorted(unnamed)}, which nothing describes")
            if isinstance(others, dict):
                faults += [self.fault(others, one, f"{at}.{name}") for name, one in unnamed.items()]
        if isinstance(value, list) and "items" in schema:
            faults += [self.fault(schema["items"], one, f"{at}[{i}]") for i, one in enumerate(value)]
        return next(filter(None, faults), None)


def _numbers(schema: Schema) -> st.SearchStrategy[Any]:
    edges = [schema.get("minimum", 0), schema.get("maximum", 1 << 31), 0, -1, 1 << 63, 1 << 64]
    near = st.sampled_from(edges).flatmap(lambda edge: st.sampled_from([edge - 1, edge, edge + 1]))
    return st.one_of(near, st.integers(0, 10_000), *([st.floats()] if schema["type"] == "number" else []))


def _is_of_type(kind: str | list[str], value: Any) -> bool:
    if isinstance(kind, list):
        return any(_is_of_type(one, value) for one in kind)
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind])


def _limit_broken(schema: Schema, value: Any, at: str) -> str | None:
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{at} is {value}, beyond its limits"
    if isinstance(value, dict) and len(value) > schema.get("maxProperties", len(value)):
        return f"{at} has {len(value)} keys"
    if isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return f"{at} has {len(value)} characters"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{at} is {value!r}, which does not match {schema['pattern']}"
    return None
