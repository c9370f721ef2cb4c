"""The OpenAPI document: valid, whole, and true of every answer that is recorded."""

from __future__ import annotations

import asyncio
import json
import keyword
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from starlette.routing import Match, Route

from rillcast.contracts.status import OPENAPI_PATH
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.rest.adapters.tables import TABLES
from tests.unit.signaling.signaling_harness import cluster
from tests.unit.signaling.test_signaling_rest_answers import RECORDED

Json = dict[str, Any]
NAME = re.compile(r"[a-z]+(_[a-z0-9]+)+")
VERBS = frozenset(
    (
        *("add", "begin", "block", "change", "collect", "convert", "count", "create", "declare", "delete", "find"),
        *("forget", "get", "list", "move", "play", "read", "remove", "request", "reset", "revoke", "seek", "send"),
        *("set", "sign", "start", "stop", "undo", "upload", "validate", "write"),
    )
)
ROUTES = [(Route(row.path, lambda request: None, methods=[row.method]), row.name) for t in TABLES for row in t.rows]

VALIDATORS: dict[str, Draft202012Validator] = {}
"""By schema, since there are some hundred for some thousand values."""


@pytest.fixture(scope="module")
def document() -> Json:
    async def asked() -> Json:
        async with cluster() as c, c.http() as http:
            described: Json = (await http.get(OPENAPI_PATH)).json()
        return described

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(asked())


def operations(document: Json) -> dict[str, Json]:
    """By their names."""
    return {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}


def contents(document: Json) -> Iterator[tuple[str, Json]]:
    """Each body of a request or an answer, with where it is."""
    for name, operation in operations(document).items():
        described = {"request": operation["requestBody"]} if "requestBody" in operation else {}
        for place, one in (described | operation["responses"]).items():
            for kind, content in one.get("content", {}).items():
                yield f"{name}: {place} as {kind}", content


def faults(document: Json, schema: Json, value: Any) -> list[str]:
    """What is wrong with a value."""
    key = json.dumps(schema)
    if key not in VALIDATORS:
        VALIDATORS[key] = Draft202012Validator({**schema, "components": document["components"]})
    return [f"{one.instance_path}: {one.message[:200]}" for one in VALIDATORS[key].iter_errors(value)]


def test_it_is_valid_by_the_definition_of_openapi(document: Json) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_it_has_every_endpoint_of_the_tables(document: Json) -> None:
    assert operations(document).keys() == {row.name for table in TABLES for row in table.rows}
    tags = {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])
    assert {tag for operation in operations(document).values() for tag in operation["tags"]} == tags


def test_operations_are_called_as_functions_are(document: Json) -> None:
    for name in operations(document):
        assert NAME.fullmatch(name) and not keyword.iskeyword(name), name
        assert name.partition("_")[0] in VERBS, name


def test_every_operation_says_what_it_does_takes_answers_and_asks_of_the_caller(document: Json) -> None:
    schemes = document["components"]["securitySchemes"].keys()
    rows = {row.name: row for table in TABLES for row in table.rows}
    for name, operation in operations(document).items():
        assert operation["summary"].endswith(".") and operation["description"], name
        assert {scheme for one in operation["security"] for scheme in one} <= schemes
        assert bool(operation["security"]) == bool(rows[name].guard.shows), name
        for one in operation.get("parameters", ()):
            assert one["description"] and one["schema"], (name, one)
        assert ("requestBody" in operation) == (rows[name].body is not None), name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            assert "content" in response or status == "204", (name, status)
        assert ("200" in operation["responses"]) == (rows[name].missing is None), name


def test_every_example_is_there_and_fits_its_schema(document: Json) -> None:
    wrong = []
    for where, content in contents(document):
        assert "schema" in content, where
        if "example" not in content:
            wrong.append((where, "it has no example"))
            continue
        wrong += [(where, one) for one in faults(document, content["schema"], content["example"])]
    for name, operation in operations(document).items():
        for one in operation.get("parameters", ()):
            wrong += [(f"{name}: {one['name']}", fault) for fault in faults(document, one["schema"], one["example"])]
    assert wrong == []


def test_links_lead_to_operations_that_take_what_they_bring(document: Json) -> None:
    known = operations(document)
    found = 0
    for name, operation in known.items():
        for link in operation["responses"].get("200", {}).get("links", {}).values():
            found += 1
            to = known[link["operationId"]]
            takes = {one["name"]: one for one in to.get("parameters", ())}
            assert link["parameters"].keys() <= takes.keys(), (name, link)
            assert ("requestBody" not in link) or "requestBody" in to
            brought = [*link["parameters"].values(), *([link["requestBody"]] if "requestBody" in link else [])]
            for expression in brought:
                assert evaluated(operation, expression) is not None, (name, link, expression)
    assert found >= 30


def evaluated(operation: Json, expression: str) -> Any:
    """A runtime expression for the example of an operation; None if there is no such thing."""
    source, _, pointer = expression.removeprefix("$").partition("#")
    match source.split("."):
        case ["response", "body"]:
            value = operation["responses"]["200"]["content"]["application/json"]["example"]
        case ["request", "body"]:
            value = operation["requestBody"]["content"]["application/json"]["example"]
        case ["request", place, name]:
            by_name = {(one["in"], one["name"]): one["example"] for one in operation.get("parameters", ())}
            return by_name.get((place, name))
        case _:
            return None
    for part in pointer.split("/")[1:]:
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return value


def test_every_recorded_answer_fits_what_the_document_says(document: Json) -> None:
    """Masked values are of the same types as those that they stand for."""
    wrong, seen = [], set()
    for scene in json.loads(RECORDED.read_text()).values():
        for asked, answer in scene.items():
            method, path = asked.split(" (")[0].split("?")[0].split(" ", 1)
            name = operation_of(method, unquote(path))
            if "…" in path or "/.." in path or name is None:
                continue
            seen.add(name)
            wrong += [f"{asked}: {one}" for one in misfits(document, operations(document)[name], answer)]
    assert wrong == []
    assert len(seen) >= len(ROUTES) - 4  # the documents themselves and the meanings of settings are not recorded


def operation_of(method: str, path: str) -> str | None:
    """The name of the operation that answers a request, if one does."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    return next((name for route, name in ROUTES if method != "HEAD" and route.matches(scope)[0] is Match.FULL), None)


def misfits(document: Json, operation: Json, answer: Json) -> list[str]:
    """How an answer differs from all that its operation declares."""
    declared = operation["responses"].get(str(answer["status"]))
    if declared is None:
        return [f"the status {answer['status']} is not declared"]
    if "content" not in declared:
        return ["there is a body"] if answer["body"] else []
    kind = answer["headers"]["content-type"].partition(";")[0]
    if kind not in declared["content"]:
        return [f"{kind} is not declared for {answer['status']}"]
    value = json.loads(answer["body"]) if kind == "application/json" else answer["body"]
    return faults(document, declared["content"][kind]["schema"], value)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"status": 418}, "the status 418 is not declared"),
        ({"status": 200, "headers": {"content-type": "text/html"}}, "text/html is not declared for 200"),
        ({"status": 200, "headers": {"content-type": "application/json"}, "body": '{"number":"5"}'}, "is not of type"),
        ({"status": 200, "headers": {"content-type": "application/json"}, "body": "{}"}, "is a required property"),
    ],
)
def test_the_check_sees_faults(document: Json, answer: Json, fault: str) -> None:
    found = misfits(document, operations(document)["count_broadcasts"], answer)
    assert len(found) == 1 and fault in found[0]
