"""The operations of the document, a record each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.client.names import snake
from scripts.client.types import Schema, component_of

JSON = "application/json"
DONE = "200"
RESULT = "Result"


@dataclass(frozen=True)
class Parameter:
    """One of the path or of the query."""

    wire: str
    name: str
    """What it is called in Python."""
    schema: Schema
    required: bool


@dataclass(frozen=True)
class Operation:
    """One method at one path."""

    tag: str
    name: str
    """Of the method of Python."""
    method: str
    path: str
    summary: str
    in_path: tuple[Parameter, ...]
    in_query: tuple[Parameter, ...]
    body: Schema | None
    """Of its JSON; None when there is none, or it is no JSON."""
    body_required: bool
    answer: Schema
    """Of what is answered when it was done."""
    plain: bool
    """Whether that is text."""
    may_lack: bool
    """Whether it may be answered with nothing (204)."""


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """In the order of the document. What is refused whatever is asked is not among them."""
    return [
        _operation(path, method.upper(), described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if DONE in described["responses"]
    ]


def _operation(path: str, method: str, described: Mapping[str, Any]) -> Operation:
    tag = described["tags"][0]
    responses, body = described["responses"], described.get("requestBody") or {}
    json_body = body.get("content", {}).get(JSON)
    (media_type, content), *others = responses[DONE]["content"].items()
    if others:
        raise ValueError(f"{method} {path} has answers of several types")
    return Operation(
        tag=tag,
        name=snake(described["operationId"]),
        method=method,
        path=path,
        summary=described["summary"],
        in_path=tuple(_parameters(described, "path")),
        in_query=tuple(_parameters(described, "query")),
        body=None if json_body is None else json_body["schema"],
        body_required=bool(body.get("required")),
        answer=_done(content["schema"]),
        plain=media_type == "text/plain",
        may_lack="204" in responses,
    )


def _parameters(described: Mapping[str, Any], place: str) -> Iterator[Parameter]:
    for one in described.get("parameters", ()):
        if one["in"] == place:
            yield Parameter(one["name"], snake(one["name"]), one["schema"], bool(one["required"]))


def _done(schema: Schema) -> Schema:
    """Where a refusal is answered 200 too, what is answered otherwise."""
    kinds = [one for one in schema.get("anyOf", ()) if "$ref" not in one or component_of(one) != RESULT]
    return kinds[0] if len(kinds) == 1 and len(schema["anyOf"]) == 2 else schema
