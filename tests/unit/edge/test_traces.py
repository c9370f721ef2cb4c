"""One trace from the play request to the first packet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from edge_harness import World
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.testing.spans import recorded_spans


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as spans:
        yield spans


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_relay_and_first_packet_belong_to_the_trace_of_the_play(
    world: World, exporter: InMemorySpanExporter
) -> None:
    answer = await world.whep()
    assert named(exporter, "edge.first_packet") == []

    world.connect(world.added()[0].session)

    (play,) = named(exporter, "edge.play")
    (first_packet,) = named(exporter, "edge.first_packet")
    relays = named(exporter, "edge.relay_open")
    assert answer.sdp
    assert len(relays) == 2
    assert play.context is not None
    for span in (first_packet, *relays):
        assert span.parent is not None
        assert span.parent.span_id == play.context.span_id


async def test_a_viewer_lost_before_its_first_packet_leaves_a_failed_span(
    world: World, exporter: InMemorySpanExporter
) -> None:
    answer = await world.whep()

    await world.close(answer.session)

    (first_packet,) = named(exporter, "edge.first_packet")
    assert first_packet.status.status_code is trace.StatusCode.ERROR
