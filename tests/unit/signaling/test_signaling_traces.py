"""What of a client's request goes into traces: never its address, which may be a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.testing.confidences import overheard, spoilt
from rillcast.testing.spans import recorded_spans
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.signaling_harness import Cluster, cluster

SDP = {"Content-Type": "application/sdp"}
STRANGERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as spans:
        yield spans


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


async def test_a_refusal_that_quotes_a_client_is_told_to_the_client_alone(c: Cluster) -> None:
    c.origin.refusal = RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "a=setup: 'QUOTED' is no role")
    with overheard() as told:
        async with c.http() as http:
            answer = await http.post("/live/whip/s1", content=OFFER, headers=SDP)

    assert (answer.status_code, "QUOTED" in answer.text) == (400, True)
    assert "notSetRemoteDescription" in told.logs
    assert "notSetRemoteDescription" in told.spans
    assert "QUOTED" not in told.logs + told.spans


async def test_no_broken_body_or_frame_is_quoted(c: Cluster) -> None:
    bodies = [*spoilt(OFFER, "QUOTED")][::7]
    with overheard() as told:
        async with c.http() as http:
            for body in [*bodies, "QUOTED", "v=0QUOTED", '{"streamId": "QUOTED'.encode("utf-16").decode("latin-1")]:
                await http.post("/live/whip/s1", content=body, headers=SDP)
                await http.post("/live/whep/s1", content=body, headers=SDP)
            for text in ('{"streamId": "QUOTED', '["QUOTED"]', '{"streamId": {"QUOTED": 1}}', '{"type": "QUOTED"}'):
                await http.post("/live/rest/v2/broadcasts/create", content=text)
                await http.post("/live/rest/v2/broadcasts/s1/subscribers", content=text)
                await http.post("/rest/v2/applications/settings/live", content=text)
                await http.post("/rest/v2/users/authenticate", content=text)

    assert [line for line in (told.spans + told.logs).splitlines() if "QUOTED" in line] == []
