"""Publishers at one origin: beginning, returning, leaving, being refused."""

from __future__ import annotations

import asyncio

import pytest
from origin_harness import H264_OFFER, KEY, SIMULCAST_OFFER, World, request, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import RestartIceAnswer, RestartIceRequest, SessionAnswer
from rillcast.media import protocol


async def test_a_publish_claims_the_stream_and_opens_a_plane_session(world: World) -> None:
    origin = await world.origin()

    answer = await world.publish(origin)

    record = await world.settled_record()
    assert answer.sdp.startswith("v=0")
    assert not answer.restored
    assert record.owner == origin.name
    assert record.epoch == 1
    assert {t.track for t in record.tracks} == {"v0", "a0"}
    assert not record.media_flowing
    assert len(origin.sources()) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app", "é"),
        ("stream", "a/b"),
        ("session", ""),
        ("signaling", "s" * 300),
        ("max_bitrate_bps", -1),
        ("keyframe_interval_ms", 2**70),
        ("start_timeout_ms", -5),
    ],
)
async def test_an_impossible_request_is_refused_by_name_and_leaves_nothing(
    world: World, field: str, value: object
) -> None:
    origin = await world.origin()

    with pytest.raises(RillcastError, match=rf"not a PublishRequest: .*\.{field}`") as refusal:
        await world.publish(origin, **{field: value})

    assert refusal.value.code is ErrorCode.BAD_REQUEST
    assert not origin.plane.of(protocol.AddSession)
    assert await world.record() is None


async def test_first_media_is_announced_and_recorded(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)

    origin.media()

    await until(lambda: world.announced() == ["started"])
    await until(lambda: world.told(answer.session) == [("connected", None), ("media", None)])
    await world.settle()
    record = await world.record()
    assert record is not None
    assert record.media_flowing


async def test_the_same_request_again_gets_the_same_answer(world: World) -> None:
    origin = await world.origin()
    again = request()

    first = await world.bus.request(subjects.origin_publish(origin.name), again, SessionAnswer)
    second = await world.bus.request(subjects.origin_publish(origin.name), again, SessionAnswer)

    assert first == second
    assert len(origin.plane.of(protocol.AddSession)) == 1


async def test_sizes_and_bitrates_come_into_the_record_with_the_renewals(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    await world.settle()

    for source in origin.sources():
        origin.source_stats(source, width=1280, height=720, bitrate_bps=900_000)
    await world.pass_time(2.5)

    record = await world.record()
    assert record is not None
    assert {(t.height, t.bitrate_bps) for t in record.tracks} == {(720, 900_000)}


async def test_simulcast_layers_are_tracks_of_one_group(world: World) -> None:
    origin = await world.origin()

    await world.publish(origin, sdp_offer=SIMULCAST_OFFER)

    record = await world.settled_record()
    layers = [t for t in record.tracks if t.kind == "video"]
    assert len(layers) == 3
    assert {t.mid for t in layers} == {"v0"}


async def test_the_rightful_publisher_returns_to_the_same_sources_epoch_and_relays(world: World) -> None:
    origin = await world.origin()
    first = await world.publish(origin)
    origin.media()
    record = await world.settled_record()
    await world.open_relay(origin)
    sources = origin.sources()

    second = await world.publish(origin)

    assert second.restored
    assert origin.sources() == sources
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
    assert (await world.open_relay(origin, track=TrackId("a0"))).epoch == record.epoch


async def test_a_return_with_another_codec_renews_the_epoch_and_voids_relays(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    record = await world.settled_record()
    await world.open_relay(origin)

    answer = await world.publish(origin, sdp_offer=H264_OFFER)

    await world.pass_time(0.5)
    after = await world.settled_record()
    assert answer.restored
    assert after.epoch > record.epoch
    assert {t.codec for t in after.tracks} >= {"H264"}
    assert len(origin.plane.of(protocol.RemoveRelay)) == 1
    with pytest.raises(RillcastError, match="epoch"):
        await world.open_relay(origin, epoch=record.epoch)


async def test_a_stranger_is_refused_while_the_publisher_is_alive(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin, has_credentials=False)

    with pytest.raises(RillcastError) as refusal:
        await world.publish(origin, credential_digest="other", has_credentials=False)

    assert refusal.value.code is ErrorCode.STREAM_ID_IN_USE


async def test_a_publisher_without_credentials_that_fell_silent_is_displaced(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin, has_credentials=False)
    origin.media()
    await world.pass_time(3.5)

    answer = await world.publish(origin, credential_digest="other", has_credentials=False)

    assert answer.restored


async def test_packets_keep_a_publisher_without_credentials_in_place(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin, has_credentials=False)
    origin.media()
    await world.pass_time(3.5)
    origin.source_stats(origin.sources()[0], silent_ms=20)

    with pytest.raises(RillcastError, match="another publisher"):
        await world.publish(origin, credential_digest="other", has_credentials=False)


async def test_a_publisher_with_credentials_keeps_its_id_through_the_grace_time(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    origin.media()
    await world.close(origin, answer.session, keep_s=8.0)

    with pytest.raises(RillcastError, match="another publisher"):
        await world.publish(origin, credential_digest="other")


async def test_stop_frees_the_id_before_it_is_answered(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    origin.media()
    await world.settled_record()

    await world.close(origin, answer.session)

    assert await world.streams.get(KEY) is None
    await until(lambda: world.announced() == ["started", "ended"])
    assert len(origin.plane.of(protocol.RemoveSession)) == 1
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())
    assert world.told(answer.session)[-1] == ("closed", "stopped")
    assert not (await world.publish(origin, credential_digest="other")).restored


async def test_a_lost_socket_keeps_the_stream_for_the_grace_time_only(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    origin.media()
    await world.settled_record()

    await world.close(origin, answer.session, keep_s=5.0)
    await world.pass_time(4.0)
    assert await world.record() is not None
    await world.pass_time(2.0)

    await until(lambda: "ended" in world.announced())
    assert await world.record() is None


async def test_a_session_that_died_in_the_plane_can_be_taken_over(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    origin.media()
    await world.settle()
    sources = origin.sources()
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.DTLS_CLOSED)
    )

    second = await world.publish(origin)

    assert world.told(answer.session)[-1] == ("closed", "dtls_closed")
    assert second.restored
    assert origin.sources() == sources
    assert origin.plane.of(protocol.RemoveSession) == []


async def test_a_dead_session_that_never_returns_takes_its_sources_along(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.CONSENT_EXPIRED)
    )

    await world.pass_time(11.0)

    await until(lambda: "ended" in world.announced())
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())


async def test_a_publisher_that_sends_nothing_is_timed_out(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin, start_timeout_ms=4_000)
    await world.settled_record()

    await world.pass_time(4.5)

    await until(lambda: world.told(answer.session) == [("closed", "no_media")])
    assert await world.record() is None


async def test_a_full_origin_says_why(world: World) -> None:
    origin = await world.origin(max_sessions=1)
    await world.publish(origin)

    with pytest.raises(RillcastError, match="all 1 sessions") as refusal:
        await world.publish(origin, stream="other")

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert refusal.value.retry_after_s


async def test_publishers_go_to_the_least_loaded_worker(world: World) -> None:
    origin = await world.origin(workers=2)

    for name in ("a", "b"):
        await world.publish(origin, stream=name)

    assert {s.worker for s in origin.plane.of(protocol.AddSession)} == {0, 1}


async def test_a_broken_offer_claims_nothing(world: World) -> None:
    origin = await world.origin()

    with pytest.raises(RillcastError) as refusal:
        await world.publish(origin, sdp_offer="v=0")

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert world.streams.writes == []


async def test_a_store_out_of_reach_refuses_newcomers_but_not_the_returning_publisher(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    await world.settled_record()
    world.streams.available = False

    with pytest.raises(RillcastError) as refusal:
        await world.publish(origin, stream="other")
    returned = await world.publish(origin)

    assert refusal.value.code is ErrorCode.STORE_UNAVAILABLE
    assert returned.restored


async def test_media_goes_on_through_a_minute_without_store_and_the_claim_is_renewed(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    record = await world.settled_record()
    world.streams.available = False
    await world.pass_time(60.0, step_s=1.0)
    world.streams.lose_state()
    world.streams.available = True

    await world.pass_time(2.0)

    after = await world.settled_record()
    assert origin.plane.of(protocol.RemoveSession) == []
    assert after.owner == origin.name
    assert (after.since_epoch, after.epoch > record.epoch) == (record.epoch, True)
    assert (await world.open_relay(origin, epoch=record.epoch)).epoch == after.epoch


async def test_an_ice_restart_gives_fresh_credentials_and_candidates(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    restart = RestartIceRequest(session=answer.session, remote_ufrag="abcd", remote_pwd="p" * 22)

    fresh = await world.bus.request(subjects.session_restart_ice(origin.name), restart, RestartIceAnswer)

    assert origin.plane.of(protocol.RestartIce)[0].ice.local_ufrag == fresh.local_ufrag
    assert "192.0.2.1 50000" in fresh.candidates[0]


async def test_closing_says_whether_there_was_a_session(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)

    assert [await world.close(origin, answer.session) for _ in range(2)] == [True, False]


async def test_unknown_sessions_close_well_and_do_not_restart(world: World) -> None:
    origin = await world.origin()

    assert not await world.close(origin, SessionId("nobody"))

    with pytest.raises(RillcastError) as refusal:
        restart = RestartIceRequest(session=SessionId("nobody"), remote_ufrag="abcd", remote_pwd="p" * 22)
        await world.bus.request(subjects.session_restart_ice(origin.name), restart, RestartIceAnswer)
    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION


async def test_a_publisher_whose_handshake_failed_is_told_and_frees_its_id(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    await world.settled_record()

    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.HANDSHAKE_TIMEOUT)
    )

    await until(lambda: world.told(answer.session) == [("closed", "no_media")])
    await world.settle()
    assert await world.record() is None
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())


async def test_a_session_that_the_plane_refused_later_is_told_so(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)

    origin.plane.emit(protocol.Error(command="add_session", id=origin.last_session().session, message="no"))

    await until(lambda: world.told(answer.session) == [("closed", "plane_error")])


async def test_a_plane_that_is_behind_refuses_the_publisher_and_nothing_is_left(world: World) -> None:
    origin = await world.origin(max_sessions=1)
    origin.plane.refused = protocol.AddSession

    with pytest.raises(RillcastError, match="behind") as refusal:
        await world.publish(origin)
    await world.settle()
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert await world.record() is None
    origin.plane.refused = None

    assert (await world.publish(origin, credential_digest="other")).sdp


async def test_a_plane_that_is_behind_when_its_publisher_returns_keeps_the_stream_for_it(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    origin.media()
    await world.settled_record()
    sources = origin.sources()
    origin.plane.refused = protocol.AddSession

    with pytest.raises(RillcastError, match="behind"):
        await world.publish(origin)
    origin.plane.refused = None
    again = await world.publish(origin)

    assert again.restored
    assert origin.sources() == sources


async def test_a_request_given_up_during_its_claim_leaves_the_id_free(world: World) -> None:
    origin = await world.origin()
    asking = asyncio.create_task(origin.origin.webrtc.publish(request()))
    with world.slow_store() as reached:
        await reached.wait()
        asking.cancel()
        await asyncio.wait((asking,))

    assert (await world.publish(origin, credential_digest="other")).sdp


async def test_a_store_that_fails_during_a_claim_leaves_the_id_free(world: World) -> None:
    origin = await world.origin()
    world.streams.lose_next_answer = True

    with pytest.raises(RillcastError) as refusal:
        await world.publish(origin)

    await world.settle()
    assert refusal.value.code is ErrorCode.STORE_UNAVAILABLE
    assert await world.record() is None


async def test_a_layer_that_is_no_longer_sent_has_no_bitrate(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin, sdp_offer=SIMULCAST_OFFER)
    origin.media()
    for source in origin.sources():
        origin.source_stats(source, bitrate_bps=500_000)

    origin.source_stats(origin.sources()[0], silent_ms=2_500)
    await world.pass_time(2.5)

    record = await world.record()
    assert record is not None
    assert sorted({t.bitrate_bps for t in record.tracks}) == [0, 500_000]


async def test_a_publisher_that_a_busy_plane_refuses_leaves_its_id_free(world: World) -> None:
    origin = await world.origin()
    origin.plane.busy = True

    with pytest.raises(RillcastError) as refusal:
        await world.publish(origin)

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    await world.settle()
    assert await world.record() is None
    origin.plane.busy = False
    assert not (await world.publish(origin)).restored


async def test_the_heartbeat_says_which_streams_go_to_how_many_nodes(world: World) -> None:
    origin = await world.origin()
    await world.publish(origin)
    await world.settled_record()
    await world.open_relay(origin, child=NodeId("edge-1"))
    await world.open_relay(origin, child=NodeId("edge-1"), track=TrackId("a0"))
    await world.open_relay(origin, child=NodeId("edge-2"))

    load, carried = origin.origin.report()

    assert (load.streams, load.sessions) == (1, 1)
    assert [(stream.app, stream.stream, stream.viewers) for stream in carried] == [("live", "s1", 2)]
