"""Publishers who come back to their origin, and others who want their stream."""

from __future__ import annotations

import pytest
from origin_harness import H264_OFFER, World, until

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import TrackId
from rillcast.media import protocol

UNVERIFIED = {"credential_digest": "s", "secret_digest": "s", "has_credentials": False}
STRANGER = {"credential_digest": "t", "secret_digest": "t", "has_credentials": False}


async def test_the_rightful_publisher_returns_to_the_same_sources_epoch_and_relays(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    record = await world.settled_record()
    await world.open_relay(origin)
    sources = origin.living_sources()

    second = await world.go_live(origin)

    assert second.restored
    assert origin.living_sources() == sources
    (adoption,) = origin.plane.of(protocol.AdoptFeeds)
    assert {(feed.source, feed.from_source) for feed in adoption.feeds} == set(
        zip(sources, origin.sources(), strict=True)
    )
    removed = origin.plane.of(protocol.RemoveSession)
    assert [(r.keep_sources) for r in removed] == [True]
    assert origin.plane.of(protocol.RemoveRelay) == []
    origin.media()
    await until(lambda: world.announced() == ["started", "restored"])
    assert ("closed", "replaced") in world.told(first.session)
    await world.settle()
    after = await world.record()
    assert after is not None
    assert (after.epoch, after.publisher_session) == (record.epoch, second.session)
    assert (await world.open_relay(origin, track=TrackId("a0"))).claim == record.claim


async def test_a_return_with_another_codec_renews_the_epoch_and_voids_relays(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    record = await world.settled_record()
    await world.open_relay(origin)

    answer = await world.go_live(origin, sdp_offer=H264_OFFER)

    await world.pass_time(0.5)
    after = await world.settled_record()
    assert answer.restored
    assert after.epoch > record.epoch
    assert {t.codec for t in after.tracks} >= {"H264"}
    assert len(origin.plane.of(protocol.RemoveRelay)) == 1
    with pytest.raises(RillcastError, match="claim"):
        await world.open_relay(origin, claim=record.claim)


async def test_a_stranger_is_refused_while_the_publisher_is_alive(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, **UNVERIFIED)

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(origin, **STRANGER)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE


async def test_a_publisher_without_credentials_that_fell_silent_is_displaced(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, **UNVERIFIED)
    await world.pass_time(3.5)

    answer = await world.go_live(origin, **STRANGER)

    assert answer.restored


async def test_packets_keep_a_publisher_without_credentials_in_place(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, **UNVERIFIED)
    await world.pass_time(3.5)
    origin.source_stats(origin.sources()[0], silent_ms=20)

    with pytest.raises(RillcastError, match="another publisher"):
        await world.go_live(origin, **STRANGER)


async def test_a_publisher_with_credentials_keeps_its_id_through_the_grace_time(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    await world.close(origin, answer.session, keep_s=8.0)

    with pytest.raises(RillcastError, match="another publisher"):
        await world.go_live(origin, credential_digest="other")


async def test_a_lost_socket_keeps_the_stream_for_the_grace_time_only(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    await world.settled_record()

    await world.close(origin, answer.session, keep_s=5.0)
    await world.pass_time(4.0)
    assert await world.record() is not None
    await world.pass_time(2.0)

    await until(lambda: "ended" in world.announced())
    assert await world.record() is None


async def test_a_session_that_died_in_the_plane_can_be_taken_over(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    await world.settle()
    sources = origin.living_sources()
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.DTLS_CLOSED)
    )

    second = await world.go_live(origin)

    assert world.told(answer.session)[-1] == ("closed", "dtls_closed")
    assert second.restored
    assert origin.living_sources() == sources
    assert origin.plane.of(protocol.RemoveSession) == []


async def test_a_dead_session_that_never_returns_takes_its_sources_along(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.CONSENT_EXPIRED)
    )

    await world.pass_time(11.0)

    await until(lambda: "ended" in world.announced())
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())


async def test_a_plane_that_is_behind_when_its_publisher_returns_keeps_the_stream_for_it(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()
    sources = origin.living_sources()
    origin.plane.refused = protocol.AddSession

    with pytest.raises(RillcastError, match="behind"):
        await world.go_live(origin)
    origin.plane.refused = None
    again = await world.go_live(origin)

    assert again.restored
    assert origin.living_sources() == sources


async def test_a_stream_whose_media_stopped_says_so_until_it_comes_again(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    assert not (await world.settled_record()).silent

    await world.pass_time(3.5)
    assert (await world.settled_record()).silent
    origin.source_stats(origin.living_sources()[0], silent_ms=20)
    await world.pass_time(0.5)

    assert not (await world.settled_record()).silent
