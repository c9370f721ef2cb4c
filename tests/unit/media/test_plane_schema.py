"""What crosses the border to the media plane is the same on both sides: in `rillcast/media/protocol`, and in
`schema.json`, which a test in Rust keeps as the code there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from rillcast.media import protocol

SCHEMA = Path(__file__).parents[3] / "native/crates/plane/schema.json"
RUST: dict[str, Any] = json.loads(SCHEMA.read_text())
Shape = dict[str, Any]


def shape(node: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema reduced to what both sides must agree on: fields, types and closed words. How large a number may be
    is left out; defaults are compared apart."""
    if "$ref" in node:
        return shape(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in node or "oneOf" in node:
        options = [shape(option, definitions) for option in node.get("anyOf", node.get("oneOf"))]
        return ["nullable", *[option for option in options if option != "null"]]
    kind = node.get("type")
    if isinstance(kind, list):
        return ["nullable", *[shape({**node, "type": one}, definitions) for one in kind if one != "null"]]
    if kind == "object":
        more = node.get("additionalProperties")
        return ["map", shape(more, definitions)] if isinstance(more, dict) else fields(node, definitions)
    if kind == "array":
        return ["array", shape(node["items"], definitions)]
    return ["words", *sorted(node["enum"])] if "enum" in node else kind


def fields(node: Any, definitions: dict[str, Any]) -> Shape:
    """The fields of an object, except its tag."""
    return {name: shape(one, definitions) for name, one in node["properties"].items() if name != "type"}


def tagged(part: str) -> dict[str, Shape]:
    """Rust's variants by tag."""
    root = RUST[part]
    found: dict[str, Shape] = {}
    for variant in root["oneOf"]:
        inner = fields(variant, root.get("$defs", {}))
        if "$ref" in variant:
            inner |= shape(variant, root["$defs"])
        found[variant["properties"]["type"]["const"]] = inner
    return found


def structs(union: Any) -> dict[str, Shape]:
    """Python's structs by tag."""
    found: dict[str, Shape] = {}
    for struct in get_args(union):
        (root,), definitions = msgspec.json.schema_components([struct])
        assert isinstance(struct.__struct_config__.tag, str)
        found[struct.__struct_config__.tag] = shape(root, definitions)
    return found


def defaults(node: Any, definitions: dict[str, Any], place: str = "") -> dict[str, Any]:
    """All defaults that an object and those in it have, by their place."""
    if "$ref" in node:
        return defaults(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions, place)
    if "items" in node:
        return defaults(node["items"], definitions, place)
    found: dict[str, Any] = {}
    for name, one in node.get("properties", {}).items():
        if "default" in one and one["default"] not in ({}, []):
            found[f"{place}.{name}"] = one["default"]
        found |= defaults(one, definitions, f"{place}.{name}")
    return found


def test_every_command_of_python_is_one_of_the_plane_and_the_other_way_round() -> None:
    assert structs(protocol.Command) == tagged("command")


def test_every_event_of_the_plane_is_one_of_python_and_the_other_way_round() -> None:
    assert structs(protocol.Event) == tagged("event")


def test_the_configuration_is_the_same() -> None:
    (root,), definitions = msgspec.json.schema_components([protocol.PlaneConfig])
    assert shape(root, definitions) == shape(RUST["config"], RUST["config"].get("$defs", {}))


@pytest.mark.parametrize("struct", get_args(protocol.Command), ids=lambda struct: struct.__struct_config__.tag)
def test_a_default_of_the_plane_is_that_of_python(struct: type[msgspec.Struct]) -> None:
    (root,), definitions = msgspec.json.schema_components([struct])
    here = defaults(root, definitions)
    command = RUST["command"]
    variants = {v["properties"]["type"]["const"]: v for v in command["oneOf"]}
    there = defaults(variants[struct.__struct_config__.tag], command["$defs"])
    assert {place: here.get(place) for place in there} == there


def test_every_field_that_the_plane_needs_is_sent() -> None:
    for struct in get_args(protocol.Command):
        assert not struct.__struct_config__.omit_defaults, struct


def test_the_comparison_sees_a_field_that_only_one_side_has() -> None:
    class Tap(msgspec.Struct, tag="tap"):
        source: int
        enabled: str

    (root,), definitions = msgspec.json.schema_components([Tap])
    assert shape(root, definitions) != tagged("command")["tap"]
