"""One trace from the play request to the first packet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from edge_harness import World, until
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.media import protocol
from rillcast.testing.spans import recorded_spans
from services.edge import metrics


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as spans:
        yield spans


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_relay_connect_and_first_packet_belong_to_the_trace_of_the_play(
    world: World, exporter: InMemorySpanExporter
) -> None:
    answer = await world.whep()
    assert named(exporter, "edge.connect") == []

    world.connect(world.added()[0].session)

    (play,) = named(exporter, "edge.play")
    (connect,) = named(exporter, "edge.connect")
    (first_packet,) = named(exporter, "edge.first_packet")
    relays = named(exporter, "edge.relay_open")
    assert answer.sdp
    assert len(relays) == 2
    assert play.context is not None
    for span in (connect, first_packet, *relays):
        assert span.parent is not None
        assert span.parent.span_id == play.context.span_id
    assert {(span.attributes or {})["rillcast.track"] for span in relays} == {"v0", "a0"}
    assert not any("rillcast.stream" in (span.attributes or {}) for span in relays), "the join says that"
    assert len(world.edge.first_packets) == 0, "nothing of it stays"


async def test_a_relay_that_lost_its_parent_is_a_trace_of_its_own_and_says_of_which_stream(
    world: World, exporter: InMemorySpanExporter
) -> None:
    await world.watching()
    exporter.clear()

    world.plane.emit(protocol.RelayParentLost(source=world.source_of("v0")))
    await world.pass_time(5.0)

    relay = named(exporter, "edge.relay_open")[0]
    said = relay.attributes or {}
    assert relay.parent is None
    assert (said["rillcast.app"], said["rillcast.stream"], said["rillcast.track"]) == ("live", "s1", "v0")


async def test_the_figure_of_a_first_packet_names_its_trace(world: World, exporter: InMemorySpanExporter) -> None:
    await world.whep()
    world.connect(world.added()[0].session)

    (first_packet,) = named(exporter, "edge.first_packet")
    (family,) = metrics.FIRST_PACKET.collect()
    told = [sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar is not None]
    assert first_packet.context is not None
    assert trace.format_trace_id(first_packet.context.trace_id) in told


async def test_a_viewer_lost_before_it_connected_leaves_a_failed_span(
    world: World, exporter: InMemorySpanExporter
) -> None:
    answer = await world.whep()

    await world.close(answer.session)

    (connect,) = named(exporter, "edge.connect")
    assert connect.status.status_code is trace.StatusCode.ERROR
    assert len(world.edge.first_packets) == 0


async def test_a_first_packet_of_which_the_plane_says_nothing_is_seen_in_the_figures(
    world: World, exporter: InMemorySpanExporter
) -> None:
    """As of a viewer that came with its association, whose media goes on."""
    await world.whep()
    session = world.added()[0].session
    world.plane.emit(protocol.SessionConnected(session=session, remote="", dtls="", srtp=""))
    assert named(exporter, "edge.first_packet") == []

    world.figures(session)
    await until(lambda: named(exporter, "edge.first_packet"))

    (first_packet,) = named(exporter, "edge.first_packet")
    assert first_packet.attributes == {"rillcast.noticed_late": True}
    assert len(world.edge.first_packets) == 0
