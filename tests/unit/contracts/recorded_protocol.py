"""The shapes of all messages and records, as they are and as they were recorded for a version of the protocol.

Run as a script, it records those of the present version: python -m tests.unit.contracts.recorded_protocol
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rillcast.contracts import access_records, errors, hook_records, messages, records, server_records
from rillcast.contracts.version import PROTOCOL_VERSION

VECTORS = Path(__file__).parents[2] / "vectors" / "protocol"
RECORDED = VECTORS / f"version-{PROTOCOL_VERSION}.json"

TOLERANT = frozenset({"EndReason", "ErrorCode"})
"""Words of which a reader takes those that it does not know for another one (`_missing_`)."""
UNSHAPED = frozenset(
    {"title", "description", "default", "pattern", "minLength", "maxLength", "minimum", "maximum"}
    | {"exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "propertyNames"}
)
"""Parts of a JSON schema that don't say which fields there are, and of which types."""

Shapes = Mapping[str, Any]


def shapes() -> Shapes:
    """The JSON schema of every struct and word, by name, without prose and bounds."""
    kinds = [
        kind
        for module in (messages, records, access_records, hook_records, server_records, errors)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__.startswith(module.__name__)
    ]
    _, components = msgspec.json.schema_components(kinds)
    return {name: _shape(schema) for name, schema in sorted(components.items())}


def breaks(before: Shapes, now: Shapes) -> list[str]:
    """What a node with the shapes of `before` would not understand of one with those of `now`, or the other way
    round."""
    return [words for name in before for words in _differences(name, before[name], now.get(name))]


def _differences(name: str, before: Shapes, now: Shapes | None) -> Iterator[str]:
    if now is None:
        yield f"{name} is gone"
        return
    if "enum" in before:
        yield from (f"{name} has lost the word {word!r}" for word in sorted(set(before["enum"]) - set(now["enum"])))
        fresh = set() if name in TOLERANT else set(now["enum"]) - set(before["enum"])
        yield from (f"{name} has a word that others don't know: {word!r}" for word in sorted(fresh))
        return
    fields_before, fields_now = before.get("properties", {}), now.get("properties", {})
    for field, shape in fields_before.items():
        if field not in fields_now:
            yield f"{name}.{field} is gone"
        elif fields_now[field] != shape:
            yield f"{name}.{field} was {json.dumps(shape)} and is {json.dumps(fields_now[field])}"
    for field in sorted(set(now.get("required", ())) - set(before.get("required", ()))):
        yield f"{name}.{field} has to be there now"


def _shape(schema: Any, *, names: bool = False) -> Any:
    """`names`: the keys are names of fields, of which none is left out."""
    if isinstance(schema, dict):
        return {
            key: _shape(value, names=key == "properties")
            for key, value in schema.items()
            if names or key not in UNSHAPED
        }
    return [_shape(value) for value in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(shapes(), indent=1) + "\n")
