"""Owning a stream is the same whatever protocol its media comes in."""

from __future__ import annotations

import pytest
from origin_harness import World, until
from push_ingest import H264, OPUS, PushIngest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.contracts.words import EndReason
from rillcast.media import protocol


async def test_a_pushed_stream_is_claimed_announced_and_relayed(world: World) -> None:
    origin = await world.origin()
    pushing = PushIngest(origin)

    await pushing.go_live()

    await until(lambda: world.announced() == ["started"])
    await world.settle()
    record = await world.settled_record()
    grant = await world.open_relay(origin)
    assert (record.owner, record.publish_type, record.media_flowing) == (origin.name, "RTMP", True)
    assert (grant.claim, grant.track.codec) == (record.claim, "VP8")
    assert pushing.restored is False


async def test_a_publisher_that_changes_its_protocol_keeps_its_viewers(world: World) -> None:
    origin = await world.origin()
    browser = await world.go_live(origin)
    record = await world.settled_record()
    for track in ("v0", "a0"):
        await world.open_relay(origin, track=TrackId(track))
    sources = set(origin.living_sources())

    pushing = PushIngest(origin)
    await pushing.go_live()

    assert world.told(browser.session)[-1:] != [("closed", "stopped")]
    assert pushing.restored
    assert set(pushing._sources.values()) == sources
    await world.pass_time(3.1)
    back = await world.go_live(origin)

    await until(lambda: world.announced() == ["started", "restored", "restored"])
    await world.settle()
    after = await world.settled_record()
    assert back.restored
    assert set(origin.living_sources()) == sources
    assert pushing.ends == [EndReason.REPLACED]
    assert ("closed", "replaced") in world.told(browser.session)
    assert (after.epoch, after.publish_type) == (record.epoch, "WebRTC")
    assert origin.plane.of(protocol.RemoveRelay) == []
    assert origin.plane.of(protocol.RemoveSource) == []


async def test_another_codec_renews_the_epoch_for_pushed_streams_too(world: World) -> None:
    origin = await world.origin()
    await PushIngest(origin).go_live()
    record = await world.settled_record()
    await world.open_relay(origin)

    await PushIngest(origin, records=(H264, OPUS)).go_live()

    await world.pass_time(0.5)
    after = await world.settled_record()
    assert after.epoch > record.epoch
    assert len(origin.plane.of(protocol.RemoveRelay)) == 1
    assert len(origin.plane.of(protocol.RemoveSource)) == 2


async def test_a_stranger_is_refused_by_either_kind(world: World) -> None:
    origin = await world.origin()
    await PushIngest(origin).go_live()

    with pytest.raises(RillcastError, match="another publisher") as refusal:
        await world.go_live(origin, credential_digest="other")
    stranger = PushIngest(origin, digest="other")
    with pytest.raises(RillcastError, match="another publisher"):
        await stranger.publish()

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE
    assert stranger.ends == []


async def test_a_broken_connection_keeps_the_stream_for_the_grace_time(world: World) -> None:
    origin = await world.origin()
    pushing = PushIngest(origin)
    await pushing.go_live()
    await world.settled_record()

    pushing.cut()
    await world.pass_time(8.0)
    assert await world.record() is not None
    await world.pass_time(3.0)

    await until(lambda: "ended" in world.announced())
    assert await world.record() is None
    assert pushing.ends == [EndReason.SOCKET_CLOSED]
    assert len(origin.plane.of(protocol.RemoveSource)) == 2


async def test_a_pushed_stream_moves_to_another_origin_and_another_protocol(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    pushing = PushIngest(old)
    await pushing.go_live()
    before = await world.settled_record()

    answer = await world.go_live(new)

    after = await world.settled_record()
    assert answer.restored
    assert (after.owner, after.epoch > before.epoch) == (new.name, True)
    assert pushing.ends == [EndReason.REPLACED]
    assert "ended" not in world.announced()


async def test_a_pushed_publisher_is_asked_to_move_before_the_node_goes(world: World) -> None:
    origin = await world.origin(drain_timeout_s=0.05)
    pushing = PushIngest(origin)
    await pushing.go_live()

    await origin.drain()

    assert pushing.sent_away
    assert pushing.ends == []
