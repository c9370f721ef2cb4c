"""What of a client's request goes into traces: never its address, which may be a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.runtime.telemetry.tracing import record_traces
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SDP = {"Content-Type": "application/sdp"}
STRANGERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    record_traces(provider)
    yield exporter
    record_traces(None)
    provider.shutdown()


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


def told(exporter: InMemorySpanExporter) -> str:
    return " ".join(span.to_json() for span in exporter.get_finished_spans())


async def test_no_token_and_no_name_of_a_resource_is_in_a_trace(c: Cluster, exporter: InMemorySpanExporter) -> None:
    async with c.http() as http:
        created = await http.post("/live/whip/s1?token=A-SECRET&subscriberCode=A-CODE", content=OFFER, headers=SDP)
        location = created.headers["location"]
        assert (await http.delete(location)).status_code == 200

    assert "signaling.publish" in {span.name for span in exporter.get_finished_spans()}
    for secret in ("A-SECRET", "A-CODE", location.rpartition("/")[2]):
        assert secret not in told(exporter)


async def test_a_client_does_not_choose_the_trace_of_its_join(c: Cluster, exporter: InMemorySpanExporter) -> None:
    headers = {"traceparent": f"00-{STRANGERS_TRACE}-00f067aa0ba902b7-01"}
    async with c.http() as http:
        assert (await http.post("/live/whip/s1", content=OFFER, headers=SDP | headers)).status_code == 201

    assert "signaling.publish" in told(exporter)
    assert STRANGERS_TRACE not in told(exporter)
