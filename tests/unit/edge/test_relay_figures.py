"""Figures about what comes from parents."""

from __future__ import annotations

from edge_harness import VIDEO, Begin
from prometheus_client import REGISTRY

from rillcast.media import protocol


def value(series: str) -> float:
    return REGISTRY.get_sample_value(f"rillcast_edge_{series}") or 0.0


def stats(source: protocol.SourceId, lost: int, recovered: int) -> protocol.SourceStats:
    return protocol.SourceStats(
        source=source,
        bitrate_bps=1,
        packets=100,
        lost=lost,
        recovered=recovered,
        keyframes=1,
        frames_per_second=30.0,
        width=1,
        height=1,
        silent_ms=0,
        consumers=1,
    )


async def test_what_was_lost_on_the_way_is_counted_once(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1")
    await world.live()
    await world.watching()
    source = world.source_of(VIDEO.track)
    before = value("relay_packets_lost_total"), value("relay_packets_recovered_total")
    for lost, recovered in ((1, 5), (3, 5), (3, 6)):
        world.plane.emit(stats(source, lost, recovered))
    assert value("relay_packets_lost_total") - before[0] == 3
    assert value("relay_packets_recovered_total") - before[1] == 6


async def test_a_gap_lasts_from_the_last_sign_of_life_to_the_first_packet(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1")
    await world.live()
    await world.watching()
    source = world.source_of(VIDEO.track)
    before = value("relay_gap_seconds_count"), value("relay_gap_seconds_sum")
    world.plane.emit(protocol.SourceStarted(source=source))
    assert value("relay_gap_seconds_count") == before[0]
    world.plane.emit(protocol.RelayParentLost(source=source))
    await world.pass_time(0.5)
    world.plane.emit(protocol.SourceStarted(source=source))
    assert value("relay_gap_seconds_count") - before[0] == 1
    assert 0.89 < value("relay_gap_seconds_sum") - before[1] < 1.1
