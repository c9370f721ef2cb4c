"""The OpenAPI documents where Ant Media has them: of one app, and of the management."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.integration.signaling.recorded_answers import recorded
from tests.unit.signaling.signaling_harness import Cluster, cluster
from tests.unit.signaling.test_signaling_rest_tables import refs

THEIRS = next(one.json for one in recorded() if one.name == "h-openapi")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def document(c: Cluster, path: str) -> dict[str, Any]:
    async with c.http() as http:
        answer = await http.get(path)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_document_of_an_app_has_its_base_path_and_all_paths_of_ant_media(c: Cluster) -> None:
    described = await document(c, "/live/openapi/openapi.json")

    assert described["servers"] == [{"url": "/live/rest"}]
    assert described.keys() == set(THEIRS["__keys__"])
    assert set(THEIRS["__paths__"]) <= described["paths"].keys()


@pytest.mark.parametrize("path", ["/live/openapi/openapi.json", "/openapi/openapi.json"])
async def test_each_part_is_a_document_of_its_own(c: Cluster, path: str) -> None:
    described = await document(c, path)
    operations = [operation for one in described["paths"].values() for operation in one.values()]

    validate(described, cls=OpenAPIV31SpecValidator)
    assert {ref.rpartition("/")[2] for ref in refs(described)} == described["components"]["schemas"].keys()
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 10
    for name, methods in described["paths"].items():
        for operation in methods.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"\{([^}]+)\}", name))


async def test_what_a_part_describes_is_answered_there(c: Cluster) -> None:
    async with c.http() as http:
        for path in ("/live/openapi/openapi.json", "/openapi/openapi.json"):
            described = (await http.get(path)).json()
            base = described["servers"][0]["url"]
            plain = [name for name, methods in described["paths"].items() if "get" in methods and "{" not in name]
            assert len(plain) > 5
            for name in plain:
                assert (await http.get(base + name)).status_code not in (404, 405), name


async def test_no_stranger_reads_them_and_an_app_that_is_not_there_has_none(c: Cluster) -> None:
    async with c.stranger() as stranger, c.http() as http:
        assert (await stranger.get("/live/openapi/openapi.json")).status_code == 403
        assert (await stranger.get("/openapi/openapi.json")).status_code == 403
        assert (await http.get("/none/openapi/openapi.json")).status_code == 404
        refused: httpx.Response = await http.post("/rest/v2/applications/openapi")
        assert (refused.json()["success"], "means something else" in refused.json()["message"]) == (False, True)
