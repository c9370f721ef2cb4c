"""REST as its own OpenAPI document describes it: whatever is asked at whatever path, the answer is a declared one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rillcast.testing.clock import VirtualTimeLoop
from rillcast.testing.eventually import within
from tests.unit.signaling.json_schemas import ANYTHING, Schemas
from tests.unit.signaling.signaling_harness import Cluster, cluster

DOCUMENT = "/rillcast/v1/openapi.json"
LONGEST_ANSWER_S = 30.0
GOES = ("delete", "/rest/v2/applications/{app}")
"""What would take away the apps that everything else asks about."""
NAMES = ("live", "s1", "LiveApp", "none", "..", "%", "a b", "\u00e9", "x" * 200, "-1", "0", "20", "1" * 30)


class Asker:
    """A running cluster with one live stream, on a loop of its own."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        self.cluster: Cluster = await self._stack.enter_async_context(cluster())
        await self.cluster.go_live("s1")
        self._http = await self._stack.enter_async_context(self.cluster.http())
        self.document: dict[str, Any] = (await self._http.get(DOCUMENT)).json()
        self.schemas = Schemas(self.document)

    async def close(self) -> None:
        await self._stack.aclose()

    def ask(self, method: str, url: str, **request: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with within(LONGEST_ANSWER_S, "the answer"):
                return await self._http.request(method, url, **request)

        return self._runner.run(asked())

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(path, method, what the document says)."""
        paths = self.document["paths"].items()
        return [(path, method, operation) for path, methods in paths for method, operation in methods.items()]


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        made = Asker(runner)
        runner.run(made.open())
        yield made
        runner.run(made.close())


def bodies(asker: Asker, operation: dict[str, Any]) -> st.SearchStrategy[bytes | None]:
    """Of an operation: what its schema allows, what is nearly so, and what is no JSON."""
    described = operation.get("requestBody")
    if described is None:
        return st.sampled_from([None, b"{}"])
    schema = next(iter(described["content"].values()))["schema"]
    values = st.one_of(asker.schemas.values(schema), asker.schemas.values(schema), ANYTHING)
    nonsense = st.sampled_from([None, b"", b"{", b"[" * 10_000, b"\xff", b'{"a":1}x', b"{}" + b" " * 300_000])
    return st.integers(0, 9).flatmap(lambda n: values.map(_encoded) if n else nonsense)


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)


def check(asker: Asker, operation: dict[str, Any], answer: httpx.Response) -> None:
    """The answer is one of those that the document declares for the operation."""
    declared = operation["responses"].get(str(answer.status_code))
    assert declared, f"{answer.status_code} is not declared: {answer.text[:200]}"
    if "content" not in declared:
        assert answer.content == b""
        return
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in declared["content"], f"{kind} is not declared"
    if kind == "application/json":
        fault = asker.schemas.fault(declared["content"][kind]["schema"], answer.json())
        assert fault is None, fault


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_every_answer_is_a_declared_one(asker: Asker, data: st.DataObject) -> None:
    path, method, operation = data.draw(st.sampled_from(asker.operations()))
    url, query = path, {}
    for parameter in operation.get("parameters", ()):
        value = data.draw(st.sampled_from(NAMES), label=parameter["name"])
        if (method, path) == GOES and value in ("live", "LiveApp"):
            value = "made"
        if parameter["in"] == "path":
            url = url.replace(f"{{{parameter['name']}}}", quote(value, safe="."))
        elif data.draw(st.booleans()):
            query[parameter["name"]] = data.draw(st.sampled_from(["2026-11-28", "2026-13-01", value]))
    body = data.draw(bodies(asker, operation))

    answer = asker.ask(method, url, params=query, content=body, headers={"content-type": "application/json"})

    if "/../" not in url and not url.endswith("/.."):  # which a client makes another path of
        check(asker, operation, answer)


def test_every_operation_answers_what_it_declares_for_a_plain_request(asker: Asker) -> None:
    """Or the test above would only ever see refusals."""
    succeeded = set()
    for path, method, operation in asker.operations():
        app = "made" if (method, path) == GOES else "live"
        url = path.replace("{app}", app).replace("{stream}", "s1").replace("{offset}", "0").replace("{size}", "9")
        body = b"{}" if "requestBody" in operation else None
        answer = asker.ask(method, url, content=body, headers={"content-type": "application/json"})
        check(asker, operation, answer)
        if answer.is_success:
            succeeded.add((path, method))
    needs_more = 5  # a session (three of the users), or an email
    needs_more += 4  # what a token is for, how long a block lasts; connection events are not there
    needs_more += 3  # a node that answers
    needs_more += 5  # which log, and which apps; a heap dump and help are not given
    needs_more += 1  # a form
    needs_more += 9  # a form with a file; files of HLS and DASH, notices between nodes, and a history are not there
    needs_more += 6  # the id of a subtrack (two), a list of broadcasts, a number; cameras; figures while one is live
    assert len(succeeded) >= len(asker.operations()) - 3 - needs_more, succeeded


@pytest.mark.parametrize(
    ("schema", "value", "fault"),
    [
        ({"type": "integer"}, True, "answer is True, no integer"),
        ({"type": "object", "required": ["a"]}, {}, "answer lacks a"),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, "answer.a is 1, no string"),
        ({"items": {"enum": ["x"]}}, ["x", "y"], "answer[1] is 'y', none of ['x']"),
        ({"additionalProperties": {"maximum": 3}}, {"k": 4}, "answer.k is 4, beyond its limits"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None, None),
    ],
)
def test_the_check_sees_faults(schema: dict[str, Any], value: object, fault: str | None) -> None:
    assert Schemas({"components": {"schemas": {}}}).fault(schema, value) == fault
