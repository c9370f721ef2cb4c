"""The tables of REST, and what follows from them: routes, the OpenAPI document, refusals."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_origin
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from rillcast.apps.patch import Patch
from rillcast.contracts.status import OPENAPI_PATH
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.domain.region import RegionFinder, parse_networks
from services.signaling.operators.adapters.http_credentials import Arrival
from services.signaling.operators.adapters.jwks_keys import JwksKeys
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.usecases.account_store import AccountStore
from services.signaling.operators.usecases.doorkeeper import Doorkeeper, ServerJwt
from services.signaling.rest.adapters.endpoint import Endpoint, Table, refused
from services.signaling.rest.adapters.http_frame import Frame
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.http_routes import RestRoute, RestServices, rest_routes
from services.signaling.rest.adapters.openapi import openapi_document
from services.signaling.rest.adapters.schemas import Schemas
from services.signaling.rest.adapters.tables import TABLES
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.domain.answered import PlainText
from services.signaling.rest.domain.parameters import About
from services.signaling.rest.domain.refusal import Form, Refusal, Refused
from services.signaling.rest.usecases.document import Document
from tests.unit.signaling.signaling_harness import cluster

ROWS = [(table, row) for table in TABLES for row in table.rows]
IN_TABLES = {(row.method, row.path) for _, row in ROWS}
each_row = pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{row.method} {row.path}" for _, row in ROWS])
RECORDED = Path(__file__).parent / "recorded" / "rest_answers.json"


async def document() -> dict[str, Any]:
    async with cluster() as c, c.http() as http:
        described: dict[str, Any] = (await http.get(OPENAPI_PATH)).json()
    return described


async def test_tables_routes_and_document_name_the_same_endpoints() -> None:
    async with cluster() as c, c.http() as http:
        routes = [route for route in c.service.routes if isinstance(route, RestRoute)]
        served = {(method, route.path) for route in routes for method in route.methods or ()}
        described = (await http.get(OPENAPI_PATH)).json()["paths"]

    assert len(ROWS) == len(IN_TABLES)
    assert served == IN_TABLES | {("HEAD", path) for method, path in IN_TABLES if method == "GET"}
    assert {(method.upper(), path) for path, operations in described.items() for method in operations} == IN_TABLES


async def test_no_room_hides_another_rooms_endpoint() -> None:
    async with cluster() as c:
        for _, row in ROWS:
            path = row.path.format_map(dict.fromkeys(row.in_path, "x1"))
            scope = {"type": "http", "method": row.method, "path": path, "root_path": ""}
            first = next(
                route
                for route in c.service.routes
                if isinstance(route, Route) and route.matches(scope)[0] is Match.FULL
            )
            assert (first.path, first.__class__) == (row.path, RestRoute)


async def test_the_document_is_whole() -> None:
    described = await document()
    components = described["components"]["schemas"]
    operations = [operation for path in described["paths"].values() for operation in path.values()]

    assert described["openapi"].startswith("3.1")
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {ref.rpartition("/")[2] for ref in refs(described)} == components.keys()
    for path, methods in described["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert all("description" in one for one in operation.get("parameters", []))
            assert "422" not in operation["responses"]


async def test_the_document_tells_types_of_bodies_answers_and_refusals() -> None:
    described = await document()
    change = described["paths"]["/{app}/rest/v2/broadcasts/{stream}"]["put"]
    settings = described["components"]["schemas"]["AppSettingsPatch"]
    usage = described["paths"]["/rillcast/v1/license/usage"]["get"]

    assert change["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/KeptBroadcastPatch")
    assert change["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Result")
    declared = {"200", "400", "403", "404", "406", "408", "413", "414", "415", "429", "431", "503"}
    assert declared == change["responses"].keys()
    assert change["responses"]["403"]["content"].keys() == {"text/html"}
    assert change["responses"]["400"]["content"].keys() == {"text/plain", "application/json"}
    missing = described["paths"]["/{app}/rest/v2/broadcasts/{stream}"]["get"]["responses"]["404"]
    assert missing["content"].keys() == {"text/html"}
    assert settings["properties"]["abrDownScalePacketLostRatio"]["maximum"] == 100
    assert "required" not in settings
    assert described["components"]["schemas"]["LadderRung"]["properties"]["height"]["maximum"] == 4320
    assert [(one["name"], one["in"], one["required"]) for one in usage["parameters"]] == [
        ("from", "query", False),
        ("to", "query", False),
    ]
    assert [(one["schema"]["format"], "default" in one["schema"]) for one in usage["parameters"]] == [
        ("date", False)
    ] * 2


def refs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


@each_row
def test_a_row_says_what_its_handler_takes(table: Table[Any], row: Endpoint[Any, Any]) -> None:
    takes = inspect.get_annotations(row.handler, eval_str=True)
    body = takes.get("body")
    lacking = row.body | None if row.body_may_lack and row.body is not None else row.body

    assert body == lacking or get_origin(body) is get_origin(lacking) is Patch, "a patch of what a table describes"
    assert row.in_path <= row.parameters.keys()
    assert row.summary.endswith(".")


@each_row
def test_a_row_declares_every_recorded_answer(table: Table[Any], row: Endpoint[Any, Any]) -> None:
    declared = {200, *row.refusals, *([204] if row.nothing else [])}
    if table.resource is Document:  # whose answers are asked for by other tests
        return
    found = recorded_answers()[row.name]
    assert len(found) >= 2
    for name, answer in found:
        assert answer["status"] in declared, name
        if answer["status"] == 200 and row.answer is not PlainText:
            msgspec.json.decode(answer["body"], type=row.answer)


@cache
def recorded_answers() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """By the name of the row to which each request went: what it was, and what was answered."""
    routes = [(Route(row.path, lambda request: None, methods=[row.method]), row.name) for _, row in ROWS]
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {row.name: [] for _, row in ROWS}
    for scene in json.loads(RECORDED.read_text()).values():
        for name, answer in scene.items():
            method, path = name.split(" (")[0].split("?")[0].split(" ", 1)
            if "…" in path or "/.." in path or method == "HEAD":
                continue
            scope = {"type": "http", "method": method, "path": unquote(path), "root_path": ""}
            first = next((row for route, row in routes if route.matches(scope)[0] is Match.FULL), None)
            if first is not None:
                found[first].append((name, answer))
    return found


# ---- what a row can say, on a table of our own


class Question(msgspec.Struct):
    text: str
    loud: bool = False


class Things:
    async def ask(self, who: Caller, thing: str, body: Question) -> Question:
        return Question(f"{who.name} at {who.address}: {body.text} {thing}", body.loud)

    async def count(
        self, least: Annotated[int, About("From here on.", name="from")], names: str = "all"
    ) -> list[int | str]:
        return [least, names]

    async def nothing(self) -> Question | None:
        return None

    async def gone(self) -> Question:
        raise Refused(GONE)


GONE = Refusal(410, "it is gone", Form.TEXT)
RESTREAM = "Restreaming isn't there yet."


THINGS: Table[Things] = Table(
    tag="things",
    about="Things.",
    resource=Things,
    input="thing",
    rows=(
        Endpoint("POST", "/things/{thing}", OPERATOR, Things.ask, "Asks.", name="ask", answer=Question, body=Question),
        Endpoint("GET", "/things", OPERATOR, Things.count, "Counts.", name="count", answer=list[int | str]),
        Endpoint(
            "GET", "/nothing", OPERATOR, Things.nothing, "Nothing.", name="nothing", answer=Question, nothing="always"
        ),
        Endpoint(
            "POST",
            "/things/{thing}/endpoint",
            OPERATOR,
            refused(RESTREAM),
            "Adds an endpoint.",
            answer=Question,
            name="add_endpoint",
        ),
        Endpoint("GET", "/silent", OPERATOR, Things.nothing, "Nothing.", name="silent", answer=Question),
        Endpoint("GET", "/gone", OPERATOR, Things.gone, "Is gone.", name="gone", answer=Question, errors=(GONE,)),
    ),
)


class Counted:
    """A tally that remembers refused input."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def command(self, command: str, outcome: str) -> None: ...

    def joined(self, role: str, outcome: str, stage: JoinStage, seconds: float | None = None) -> None: ...

    def failed_over(self, seconds: float) -> None: ...

    def publisher_moved(self, outcome: str, seconds: float | None = None) -> None: ...

    def refused_input(self, reason: str) -> None:
        self.refused.append(reason)


TOKEN = "the token of this machine"


def things_gate(allowed: str = "127.0.0.1") -> Gate:
    apps, accounts, cookies = AppCatalog([], {}), AccountStore(FakeKeyValue()), SessionCookies(b"key")
    keys = JwksKeys(lambda: 0.0)
    doorkeeper = Doorkeeper(accounts, cookies, apps, keys, ServerJwt(), local_token=TOKEN, now_s=lambda: 0.0)
    return Gate(
        ClientReader(RegionFinder(), (), ""),
        apps,
        allowed=parse_networks(allowed),
        doorkeeper=doorkeeper,
        arrival=Arrival(()),
        hosts=frozenset,
    )


@asynccontextmanager
async def things(tally: Counted | None = None, allowed: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    gate = things_gate(allowed)
    app = FastAPI(openapi_url=None)
    app.state.rest = RestServices(gate, tally or Counted(), {Things: Things()})
    app.add_exception_handler(HTTPException, Frame(gate).answer)
    app.router.routes.extend(rest_routes([THINGS]))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as http:
        yield http


async def test_a_handler_gets_who_asks_parameters_and_a_typed_body() -> None:
    async with things() as http:
        asked = await http.post("/things/t1", json={"text": "well?"})
        counted = await http.get("/things?from=3&names=a")
        defaults = await http.get("/things?from=-1")
    assert asked.json() == {"text": "local token at 127.0.0.1: well? t1", "loud": False}
    assert (counted.json(), defaults.json()) == ([3, "a"], [-1, "all"])


async def test_what_makes_no_sense_is_named_and_bodies_are_counted() -> None:
    tally = Counted()
    async with things(tally) as http:
        answers = [
            await http.post("/things/t1", json={"text": 5}),
            await http.post("/things/t1", content=b""),
            await http.post("/things/t1", content=b'{"text": "", "x":' + b"[" * 50_000),
            await http.get("/things"),
        ]
        no_number = await http.get("/things?from=1.0")
    assert [answer.status_code for answer in answers] == [400] * 4
    assert [answer.text for answer in answers[:3]] == [
        "Expected `str`, got `int` - at `$.text`",
        "Input data was truncated",
        "the JSON is nested too deeply",
    ]
    assert answers[3].json()["message"] == "from: Field required"
    assert no_number.status_code == 404
    assert tally.refused == ["thing"] * 3


async def test_what_is_not_there_is_refused_in_words_and_never_done() -> None:
    async with things() as http:
        restream = await http.post("/things/t1/endpoint", json={"endpointUrl": "rtmp://…"})
        gone = await http.get("/gone")
        nothing = await http.get("/nothing")
        wrong = await http.delete("/things/t1")
    assert (restream.status_code, restream.json()) == (
        501,
        {"success": False, "message": RESTREAM, "dataId": "", "errorId": 0},
    )
    assert (gone.status_code, gone.text) == (410, "it is gone")
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST,OPTIONS")


async def test_the_guard_is_asked_before_anything_is_read() -> None:
    async with things(allowed="192.0.2.0/24") as http:
        answers = [
            await http.post("/things/t1", content=b"["),
            await http.get("/things?from=x"),
            await http.post("/things/t1/endpoint"),
        ]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert all("Not allowed IP" in answer.text for answer in answers)


async def test_an_answer_that_the_row_does_not_promise_is_our_fault_and_loud() -> None:
    async with things() as http:
        with pytest.raises(AssertionError, match="GET /silent answers nothing"):
            await http.get("/silent")


def test_a_refused_endpoint_is_described_with_its_parameters() -> None:
    schemas = Schemas(THINGS.rows)
    paths = openapi_document("1", [THINGS], rest_routes([THINGS]), schemas)["paths"]
    add = paths["/things/{thing}/endpoint"]["post"]

    assert [one["name"] for one in add["parameters"]] == ["thing"]
    assert add["responses"]["501"]["description"] == RESTREAM
    assert paths["/things"]["get"]["parameters"][0]["schema"]["type"] == "integer"
