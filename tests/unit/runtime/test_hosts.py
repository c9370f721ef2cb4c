"""The admin listener is asked under names of its own, and not under that of another site's page."""

from __future__ import annotations

import socket

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from rillcast.contracts.words import NodeKind
from rillcast.runtime.http.hosts import host_is_ours
from rillcast.runtime.process.admin import admin_app, admin_names, lifeline_places
from rillcast.runtime.process.description import describe
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import NodeSettings

SETTINGS = NodeSettings.model_validate({"node_id": "Edge-1", "admin_hosts": "metrics.example, Edge.example"})


def refused() -> float:
    return REGISTRY.get_sample_value("rillcast_http_hosts_refused_total") or 0.0


async def status(path: str, **headers: str) -> int:
    info = describe(SETTINGS, NodeKind.EDGE, advertise_address="127.0.0.1", admin_port=1, http_address="", identity="x")
    app = admin_app(Readiness(), dict, Lifelines(lambda: info, lifeline_places()), admin_names(SETTINGS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:9100") as client:
        return (await client.get(path, headers=headers)).status_code


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/livez", "/lifeline", "/nothing"])
async def test_a_page_that_had_its_name_resolved_to_us_reads_nothing(path: str) -> None:
    before = refused()
    for name in ("rebound.attacker.example", "127.0.0.1.attacker.example:9100", "metrics.example.evil", "[::1", "%"):
        assert await status(path, host=name, origin=f"http://{name}") == 403
    assert refused() == before + 5


@pytest.mark.parametrize(
    "name",
    [
        "127.0.0.1:9100",
        "[::1]:9100",
        "10.244.3.17:9100",
        "localhost:9100",
        "edge-1:9100",
        "EDGE-1",
        socket.gethostname(),
        "metrics.example:9100",
        "edge.example.",
        "",
    ],
)
async def test_probes_scrapers_and_people_are_answered(name: str) -> None:
    assert await status("/livez", host=name) == 200
    assert await status("/metrics", host=name) == 200


def test_a_host_is_a_name() -> None:
    for bad in ("http://a.example", "a.example:9100", "a/b", "*"):
        with pytest.raises(ValidationError, match="is no host name"):
            NodeSettings.model_validate({"admin_hosts": bad})


def test_a_host_that_makes_no_sense_is_not_ours() -> None:
    for odd in ("a b", "\udcff", "127.0.0.1@attacker.example", "1.2.3", "::1::"):
        assert not host_is_ours(odd, frozenset())
