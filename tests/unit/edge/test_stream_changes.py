"""Streams that change under their viewers: their end, a record that is gone, bit rates that only change."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import AUDIO, VIDEO, World, rung, until

from rillcast.media import protocol
from services.edge.domain.stream_change import Left
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer

LOW = rung(360, 600_000)


async def test_the_announced_end_closes_viewers_and_relays_at_once(world: World) -> None:
    session, plane_session = await world.watching()

    await world.ended(epoch=1)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])
    assert [r.session for r in world.plane.of(protocol.RemoveSession)] == [plane_session]
    assert len(world.plane.of(protocol.RemoveSource)) == 2


async def test_news_of_the_end_of_an_older_epoch_is_ignored(world: World) -> None:
    session, _ = await world.watching()
    await world.parent("origin-2")
    await world.live("origin-2", epoch=7)
    await world.pass_time(0.5)

    await world.ended(epoch=1)

    assert ("closed", "stream_ended") not in world.told(session)


async def test_a_vanished_record_with_silence_ends_viewers_after_the_grace_time(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()

    await world.pass_time(9.0)
    assert ("closed", "stream_ended") not in world.told(session)
    await world.pass_time(2.0)

    await until(lambda: world.told(session)[-1:] == [("closed", "stream_ended")])


async def test_a_vanished_record_while_media_flows_ends_nobody(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()

    for _ in range(60):
        world.plane.emit(
            protocol.SourceStats(
                source=world.source_of("v0"),
                bitrate_bps=1,
                packets=5,
                lost=0,
                recovered=0,
                keyframes=1,
                frames_per_second=30.0,
                width=0,
                height=0,
                silent_ms=10,
                consumers=1,
            )
        )
        await world.pass_time(1.0, step_s=1.0)

    assert ("closed", "stream_ended") not in world.told(session)
    assert world.plane.of(protocol.RemoveSession) == []


async def test_a_record_that_returns_in_time_ends_nobody(world: World) -> None:
    session, _ = await world.watching()
    await world.vanish()
    await world.pass_time(8.0)
    await world.parent("origin-2")

    await world.live("origin-2", epoch=12)
    await world.pass_time(20.0, step_s=1.0)

    assert ("closed", "stream_ended") not in world.told(session)
    assert {o.claim for o in world.parents["origin-2"].opened} == {"c12"}


async def test_media_goes_on_while_bus_and_store_are_away(world: World) -> None:
    session, _ = await world.watching()
    world.edge_bus.connected = False
    world.streams.available = False

    await world.pass_time(120.0, step_s=1.0)

    assert world.plane.of(protocol.RemoveSession) == []
    assert world.edge.viewers.session(session) is not None


async def test_new_bit_rates_in_the_record_concern_no_viewer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=1), LOW, AUDIO))
    for _ in range(3):
        await world.watching()
    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=2), LOW, AUDIO))
    await world.settle()
    looked: list[Viewer] = []

    def reconcile(viewer: Viewer) -> list[tuple[Subscription, Left]]:
        looked.append(viewer)
        return []

    monkeypatch.setattr(world.edge.allocator, "reconcile", reconcile)
    for bitrate_bps in (3, 4, 5):
        await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=bitrate_bps), LOW, AUDIO))
        await world.settle()
    assert looked == []

    await world.live(tracks=(msgspec.structs.replace(VIDEO, bitrate_bps=6), AUDIO))
    await until(lambda: len(looked) == 3)
