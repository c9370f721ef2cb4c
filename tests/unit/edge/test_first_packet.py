"""From the play request to the first packet: one observation for each viewer, and nothing is kept of those who left."""

from __future__ import annotations

import pytest
from edge_harness import World

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.edge import metrics


def observed() -> tuple[float, float]:
    """How many first packets were counted, and their seconds in all."""
    samples = {sample.name: sample.value for sample in next(iter(metrics.FIRST_PACKET.collect())).samples}
    prefix = "rillcast_edge_first_packet_seconds"
    return samples[f"{prefix}_count"], samples[f"{prefix}_sum"]


async def test_the_time_from_the_request_to_the_first_packet_is_counted_once(world: World) -> None:
    count, total_s = observed()
    await world.whep()
    world.clock.advance(0.25)

    world.connect(world.added()[0].session)
    world.connect(world.added()[0].session)

    after, after_s = observed()
    assert (after - count, round(after_s - total_s, 3)) == (1, 0.25)
    assert len(world.edge.first_packets) == 0


async def test_a_viewer_who_leaves_before_it_is_not_counted(world: World) -> None:
    before = observed()
    answer = await world.whep()
    assert len(world.edge.first_packets) == 1

    await world.close(answer.session)

    assert (observed(), len(world.edge.first_packets)) == (before, 0)


async def test_a_join_that_is_refused_leaves_nothing(world: World) -> None:
    world.parents["origin-1"].refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "64 nodes are fed")

    with pytest.raises(RillcastError, match="64 nodes"):
        await world.whep()

    assert len(world.edge.first_packets) == 0


async def test_an_offer_that_waits_for_its_answer_is_remembered_until_it_expires(world: World) -> None:
    await world.play(start_timeout_ms=1_000)
    assert len(world.edge.first_packets) == 1

    await world.pass_time(2.0)

    assert len(world.edge.first_packets) == 0
