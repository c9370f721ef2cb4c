"""What /metrics answers: OpenMetrics with exemplars to whom asks for it, and else the older text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import format_trace_id
from prometheus_client import REGISTRY, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rillcast.contracts.words import NodeKind
from rillcast.runtime.process.admin import admin_app, lifeline_places
from rillcast.runtime.process.description import describe
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.exemplars import exemplar
from rillcast.runtime.telemetry.exposition import openmetrics_text, text
from services.signaling import metrics

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,*/*;q=0.1"

parse: Callable[[str], Iterable[Metric]] = text_string_to_metric_families


async def asked(accept: str) -> httpx.Response:
    settings = NodeSettings()
    info = describe(settings, NodeKind.EDGE, advertise_address="127.0.0.1", admin_port=1, http_address="", identity="x")
    app = admin_app(Readiness(), dict, Lifelines(lambda: info, lifeline_places()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:9100") as client:
        return await client.get("/metrics", headers={"Accept": accept})


async def test_prometheus_gets_open_metrics_with_the_trace_of_a_join() -> None:
    metrics.JOIN_SECONDS.labels("play").observe(0.123, {"trace_id": "ab" * 16})
    answer = await asked(PROMETHEUS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse(answer.text)}
    shown = [s.exemplar.labels for s in families["rillcast_signaling_join_seconds"].samples if s.exemplar]
    assert {"trace_id": "ab" * 16} in shown


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html", "text/plain;version=0.0.4", "application/openmetrics", ";,"]
)
async def test_everybody_else_gets_the_older_text_without_exemplars(accept: str) -> None:
    metrics.JOIN_SECONDS.labels("play").observe(0.123, {"trace_id": "ab" * 16})
    answer = await asked(accept)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'rillcast_signaling_join_seconds_bucket{le="0.15",role="play"}' in answer.text
    assert " # {" not in answer.text


@pytest.mark.parametrize("version", ["foo", "1.x", "99.0.0", "9" * 5_000, ""])
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
async def test_whatever_version_is_asked_for_the_answer_says_its_own(kind: str, version: str) -> None:
    answer = await asked(f"{kind};version={version};escaping=dots")
    assert answer.status_code == 200
    own = "1.0.0" if kind.startswith("application/") else "0.0.4"
    assert answer.headers["content-type"] == f"{kind}; version={own}; charset=utf-8"


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
async def test_no_series_says_when_another_one_began(accept: str) -> None:
    lines = [line for line in (await asked(accept)).text.splitlines() if not line.startswith("#")]
    names = {line.partition(" ")[0].partition("{")[0] for line in lines}
    assert len(names) > 20
    assert [name for name in names if name.endswith("_created")] == []


@pytest.mark.parametrize("accept", ["", PROMETHEUS])
def test_what_is_told_is_what_the_library_tells(accept: str) -> None:
    """Names of the library itself, such as those of Python's garbage, may change between two calls, but not ours."""
    metrics.JOIN_SECONDS.labels("play").observe(0.123, {"trace_id": "ab" * 16})
    encoder, _ = choose_encoder(accept)
    ours = [line for line in (openmetrics_text() if accept else text()).splitlines() if b"rillcast_" in line]
    theirs = [line for line in encoder(REGISTRY).splitlines() if b"rillcast_" in line]
    assert len(ours) > 100
    assert ours == theirs


@pytest.mark.parametrize(("sampler", "kept"), [(ALWAYS_ON, True), (ALWAYS_OFF, False)])
def test_only_a_trace_that_is_kept_is_an_exemplar(sampler: Sampler, kept: bool) -> None:
    with TracerProvider(sampler=sampler).get_tracer("test").start_as_current_span("a join") as span:
        trace_id = format_trace_id(span.get_span_context().trace_id)
        assert exemplar() == exemplar(span) == ({"trace_id": trace_id} if kept else None)


def test_without_a_trace_there_is_no_exemplar() -> None:
    assert exemplar() is None
