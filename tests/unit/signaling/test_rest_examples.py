"""The examples of the OpenAPI document are true: each example request is asked, and is answered what the document
shows.

`RECORD=1 pytest` of this file writes the answers anew into `services/signaling/rest/adapters/examples.json`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.messages import DrainCount, DrainProgress, DrainRequest
from rillcast.contracts.words import DrainPhase, LicenseState, NodeKind
from services.signaling.rest.adapters.endpoint import Endpoint, on_wire
from services.signaling.rest.adapters.examples import RECORDED
from services.signaling.rest.adapters.form_body import FORM
from services.signaling.rest.adapters.security import SESSION
from services.signaling.rest.adapters.tables import TABLES
from tests.unit.signaling.signaling_harness import Cluster, cluster

ROWS = {row.name: row for table in TABLES for row in table.rows}
FIRST = ("create_user", "sign_in", "create_app", "create_broadcast", "create_broadcasts", "add_subtrack")
THEN = ("add_subscriber", "create_token", "validate_token")
LAST = (
    *("remove_subtrack", "revoke_tokens", "block_subscriber", "delete_subscriber", "delete_subscribers"),
    *("delete_app", "delete_broadcast", "delete_broadcasts", "stop_broadcast"),
    *("get_authentication_status", "change_password", "sign_out", "delete_user"),
)
SECRET = "a secret of at least thirty-two bytes"
MOST_ITEMS = 2
"""Of a list that an example shows."""
DOCUMENTS = {"get_openapi", "get_app_openapi", "get_management_openapi"}
UNSTEADY = {"get_thread_dump", "read_log", *DOCUMENTS}
"""Answers that are shortened to something that stands for them."""
NEVER_DONE = {row.name: row.missing.status for row in ROWS.values() if row.missing is not None}
"""Operations that have no answer but a refusal."""


def in_order() -> list[Endpoint[Any, Any]]:
    """Every operation once: what makes something, what reads it, what takes it away."""
    middle = [name for name in ROWS if name not in (*FIRST, *THEN, *LAST)]
    return [ROWS[name] for name in (*FIRST, *THEN, *middle, *LAST)]


@asynccontextmanager
async def scene() -> AsyncIterator[Cluster]:
    """A cluster about which the examples are true."""
    async with cluster() as c:
        await c.go_live("stream1", name="The morning show", started_at_ms=1_796_040_000_000)
        await c.license_is(LicenseState.VALID)
        await c.checks_documents()
        await c.reports_usage()
        await c.service.core.license.refresh()

        async def drain(request: DrainRequest) -> DrainProgress:
            count = DrainCount(began=10, left=3, cut=1)
            return DrainProgress(phase=DrainPhase.DRAINING, deadline_s=300, left_s=250, viewers=count)

        await c.edges[0].bus.serve(subjects.node_drain(NodeKind.EDGE, c.edges[0].name), DrainRequest, drain)
        yield c


def request(row: Endpoint[Any, Any], body: Any) -> dict[str, Any]:
    """The example request of a row, for httpx."""
    asked = row.asked
    path = row.path.format_map({name: asked[name] for name in row.in_path})
    query = {
        on_wire(name, kind): str(asked[name]).lower() if isinstance(asked[name], bool) else asked[name]
        for name, kind in row.parameters.items()
        if name in asked and name != "body" and name not in row.in_path
    }
    made: dict[str, Any] = {"method": row.method, "url": path, "params": query}
    if FORM in row.consumes:
        made |= {"content": b"--x--\r\n", "headers": {"content-type": f"{FORM}; boundary=x"}}
    elif row.body is not None:
        made["json"] = body
    return made


async def played() -> dict[str, Any]:
    """What each operation answers to its example request."""
    answers: dict[str, Any] = {}
    async with scene() as c, c.http() as http, c.stranger() as browser:
        settings = {"jwtStreamSecretKey": SECRET, "writeSubscriberEventsToDatastore": True}
        (await http.post("/rest/v2/applications/settings/live", json=settings)).raise_for_status()
        for row in in_order():
            body = row.asked.get("body")
            if row.name == "validate_token":
                assert isinstance(body, dict)
                body = body | {"tokenId": answers["create_token"]["body"]["tokenId"]}
            client = browser if row.guard.shows == (SESSION,) or row.name == "sign_in" else http
            answer = await client.request(**request(row, body))
            answers[row.name] = {"status": answer.status_code, "body": body_of(row.name, answer)}
    return answers


def body_of(name: str, answer: httpx.Response) -> Any:
    """As the document shows it."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        lines = re.sub(r'"/[^"]*/(?=[^/"]+")', '"', answer.text).splitlines()
        return "\n".join(lines[:MOST_ITEMS]) or None
    decoded = answer.json()
    if name in DOCUMENTS:
        return {key: decoded[key] for key in ("openapi", "info")} | {"paths": {}}
    return shortened(decoded)


def shortened(value: Any) -> Any:
    """With the first items of each list."""
    match value:
        case dict():
            return {key: shortened(one) for key, one in value.items()}
        case list():
            return [shortened(one) for one in value[:MOST_ITEMS]]
    return value


def form(value: Any) -> Any:
    """What stays the same each time: keys, types, and what an answer says in words."""
    match value:
        case dict():
            return {key: one if key in ("success", "message") else form(one) for key, one in value.items()}
        case list():
            return [form(one) for one in value[:1]]
        case bool() | None:
            return value
        case int() | float():
            return "a number"
        case _:
            return "text"


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(RECORDED.read_text())
    return known


async def test_every_example_request_is_answered_as_the_document_shows(recorded: dict[str, Any]) -> None:
    answers = await played()
    if "RECORD" in os.environ:
        RECORDED.write_text(json.dumps(answers, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        recorded = answers
    differing = {
        name: (answer, recorded.get(name))
        for name, answer in answers.items()
        if name not in UNSTEADY and form(answer) != form(recorded.get(name))
    }
    assert differing == {}
    assert recorded.keys() == answers.keys() == ROWS.keys()


def test_every_operation_has_an_example_of_what_it_does(recorded: dict[str, Any]) -> None:
    assert {name: one["status"] for name, one in recorded.items() if one["status"] != 200} == NEVER_DONE


def test_examples_show_no_place_of_the_machine_on_which_they_were_recorded() -> None:
    places = (str(Path.home()), str(Path(__file__).parents[3]), "site-packages")
    assert [place for place in places if place in RECORDED.read_text()] == []
