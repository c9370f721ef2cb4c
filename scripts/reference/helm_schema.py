"""values.schema.json of the Helm chart: what is misspelled or of another type is refused when a template is made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scripts.reference.found import kinds
from scripts.reference.helm_values import (
    ALL_KINDS,
    CHART,
    Schema,
    Value,
    checked,
    secret_settings_of,
    settings_of,
    type_of,
)

PATH = f"{CHART}/values.schema.json"
_AT = {
    "type": "object",
    "required": ["name", "key"],
    "additionalProperties": False,
    "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
}


def render() -> str:
    """The file. Raises `Undocumented` for values without a comment."""
    values = checked()
    every = values[ALL_KINDS].below
    properties: dict[str, Any] = {"global": {"type": "object", "description": "Helm gives it to every chart."}}
    for name, value in values.items():
        kind = name if name in kinds() else ""
        below = {**every, **_over(every, value.below)} if kind else value.below
        properties[name] = _object(below, value.description, kind) if below else _schema(value, "")
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Rillcast chart",
        "description": "Written by `make reference` from values.yaml. Do not change it by hand.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _over(every: dict[str, Value], own: dict[str, Value]) -> dict[str, Value]:
    """The values of a kind, those of `node` where it says nothing else: it repeats a key to give it another default."""
    return {
        name: replace(value, below={**every[name].below, **_over(every[name].below, value.below)})
        if name in every
        else value
        for name, value in own.items()
    }


def _object(below: dict[str, Value], description: str, kind: str) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False}
    if description:
        schema["description"] = description
    schema["properties"] = {name: _schema(value, kind) for name, value in below.items()}
    return schema


def _schema(value: Value, kind: str) -> Schema:
    if value.below:
        return _object(value.below, value.description, kind)
    schema: Schema = {"type": type_of(value)}
    if value.description:
        schema["description"] = value.description
    if value.settings:
        schema |= _keys(list(settings_of(_whose(value.settings, kind))), {"type": ["string", "number", "boolean"]})
    elif value.secret_settings:
        schema |= _keys(list(secret_settings_of(_whose(value.secret_settings, kind))), _AT)
    elif value.default == []:
        schema["items"] = {"type": "string"}
    elif value.default == {} and "additionalProperties" not in value.rules:
        raise ValueError(f"{value.path}: say with @schema what it may hold")
    return schema | value.rules


def _whose(settings: str, kind: str) -> str:
    return (kind or "shared") if settings == "kind" else settings


def _keys(names: list[str], value: Schema) -> Schema:
    return {"propertyNames": {"enum": sorted(names)}, "additionalProperties": value}
