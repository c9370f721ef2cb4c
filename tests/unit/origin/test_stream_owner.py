"""Publishers at one origin: beginning, leaving, being refused, and what the store has to do with it."""

from __future__ import annotations

import asyncio

import pytest
from origin_harness import KEY, SIMULCAST_OFFER, World, request, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, TrackId
from rillcast.contracts.messages import Ack, DescribeRequest
from rillcast.media import protocol


async def test_a_publish_claims_the_stream_and_opens_a_plane_session(world: World) -> None:
    origin = await world.origin()

    answer = await world.go_live(origin)

    record = await world.settled_record()
    assert answer.sdp.startswith("v=0")
    assert not answer.restored
    assert record.owner == origin.name
    assert (record.epoch > 0, len(record.claim)) == (True, 16)
    assert {t.track for t in record.tracks} == {"v0", "a0"}
    assert record.media_flowing
    assert len(origin.sources()) == 2


async def test_first_media_is_announced_and_recorded(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)

    origin.media()

    await until(lambda: world.announced() == ["started"])
    await until(lambda: world.told(answer.session) == [("connected", None), ("media", None)])
    await world.settle()
    record = await world.record()
    assert record is not None
    assert record.media_flowing


async def test_sizes_and_bitrates_come_into_the_record_with_the_renewals(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settle()

    for source in origin.sources():
        origin.source_stats(source, width=1280, height=720, bitrate_bps=900_000)
    await world.pass_time(2.5)

    record = await world.record()
    assert record is not None
    assert {(t.height, t.bitrate_bps) for t in record.tracks} == {(720, 900_000)}


async def test_the_size_comes_into_the_record_as_soon_as_it_is_known(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settle()

    origin.source_stats(origin.sources()[0], width=1280, height=720, bitrate_bps=900_000)
    await world.settle()

    record = await world.record()
    assert record is not None
    assert {(t.width, t.height) for t in record.tracks} == {(1280, 720), (0, 0)}


async def test_a_publisher_may_say_something_else_of_its_stream(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin, name="A show", meta_data="old")

    asked = DescribeRequest(session=answer.session, name="A show", meta_data="new")
    await world.bus.request(subjects.origin_describe(origin.name), asked, Ack)
    await world.settle()

    record = await world.record()
    assert record is not None
    assert (record.name, record.meta_data) == ("A show", "new")


async def test_nobody_describes_a_stream_that_is_not_here(world: World) -> None:
    origin = await world.origin()
    asked = DescribeRequest(session=SessionId("nobody"), meta_data="new")

    with pytest.raises(RillcastError) as refused:
        await world.bus.request(subjects.origin_describe(origin.name), asked, Ack)
    assert refused.value.code is ErrorCode.UNKNOWN_SESSION


async def test_stop_frees_the_id_before_it_is_answered(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)
    await world.settled_record()

    await world.close(origin, answer.session)

    assert await world.streams.get(KEY) is None
    await until(lambda: world.announced() == ["started", "ended"])
    assert len(origin.plane.of(protocol.RemoveSession)) == 1
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())
    assert world.told(answer.session)[-1] == ("closed", "stopped")
    assert not (await world.go_live(origin, credential_digest="other")).restored


async def test_a_publisher_that_sends_nothing_is_timed_out(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin, start_timeout_ms=4_000)

    await world.pass_time(4.5)

    await until(lambda: world.told(answer.session) == [("closed", "no_media")])
    assert world.streams.writes == []
    assert origin.nothing_is_left()


async def test_a_full_origin_says_why(world: World) -> None:
    origin = await world.origin(max_sessions=1)
    await world.go_live(origin)

    with pytest.raises(RillcastError, match="all 1 sessions") as refusal:
        await world.go_live(origin, stream="other")

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert refusal.value.retry_after_s


async def test_the_publishers_of_one_client_leave_sessions_for_others_and_keep_their_own_streams(world: World) -> None:
    origin, other = await world.origin(max_sessions=4), await world.origin("origin-2", max_sessions=4)
    for name in ("a", "b"):
        await world.go_live(origin, stream=name, client="192.0.2.1")
        await world.go_live(other, stream=f"{name}-there", client="192.0.2.1")

    with pytest.raises(RillcastError, match="of your address") as refusal:
        await world.go_live(origin, stream="c", client="192.0.2.1")

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    await world.go_live(origin, stream="d", client="198.51.100.7")
    await other.kill()
    assert (await world.go_live(origin, stream="a-there", client="192.0.2.1")).restored, "it is its own stream"


async def test_publishers_go_to_the_least_loaded_worker(world: World) -> None:
    origin = await world.origin(workers=2)

    for name in ("a", "b"):
        await world.go_live(origin, stream=name)

    assert {s.worker for s in origin.plane.of(protocol.AddSession)} == {0, 1}


async def test_a_store_out_of_reach_refuses_newcomers_but_not_the_returning_publisher(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()
    world.streams.available = False

    with pytest.raises(RillcastError) as refusal:
        await world.go_live(origin, stream="other")
    returned = await world.go_live(origin)

    assert refusal.value.code is ErrorCode.STORE_UNAVAILABLE
    assert returned.restored


async def test_media_goes_on_through_a_minute_without_store_and_the_claim_is_renewed(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    record = await world.settled_record()
    world.streams.available = False
    await world.pass_time(60.0, step_s=1.0)
    world.streams.lose_state()
    world.streams.available = True

    await world.pass_time(2.0)

    after = await world.settled_record()
    assert origin.plane.of(protocol.RemoveSession) == []
    assert after.owner == origin.name
    assert (after.claim, after.epoch > record.epoch) == (record.claim, True)
    assert (await world.open_relay(origin, claim=record.claim)).claim == after.claim


async def test_closing_says_whether_there_was_a_session(world: World) -> None:
    origin = await world.origin()
    answer = await world.go_live(origin)

    assert [await world.close(origin, answer.session) for _ in range(2)] == [True, False]


async def test_a_request_given_up_while_the_store_is_asked_leaves_nothing(world: World) -> None:
    origin = await world.origin()
    world.streams.answer_s = 3_600.0
    asking = asyncio.create_task(origin.origin.webrtc.publish(request()))
    await world.settle()

    asking.cancel()
    await asyncio.wait((asking,))

    assert origin.nothing_is_left()


async def test_a_publisher_that_leaves_while_its_key_is_claimed_leaves_the_id_free(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    with world.slow_store() as reached:
        origin.media()
        await reached.wait()
        assert await world.close(origin, answer.session)

    await world.settle()
    assert await world.record() is None
    assert world.announced() == []
    assert origin.nothing_is_left()


async def test_a_store_that_fails_during_a_claim_is_asked_again_for_whoever_has_sent_media(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    world.streams.lose_next_answer = True

    origin.media()
    await world.settle()
    assert await world.record() is None
    assert ("media", None) not in world.told(answer.session)
    await world.pass_time(1.0)

    assert ("media", None) in world.told(answer.session)
    assert (await world.settled_record()).publisher_session == answer.session


async def test_a_publisher_whose_media_comes_while_the_store_is_away_is_told_in_the_end(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    world.streams.available = False
    origin.media()

    await world.pass_time(11.0)

    assert world.told(answer.session)[-1] == ("closed", "no_media")
    assert origin.nothing_is_left()


async def test_a_layer_that_is_no_longer_sent_has_no_bitrate(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, sdp_offer=SIMULCAST_OFFER)
    for source in origin.sources():
        origin.source_stats(source, bitrate_bps=500_000)

    origin.source_stats(origin.sources()[0], silent_ms=2_500)
    await world.pass_time(2.5)

    record = await world.record()
    assert record is not None
    assert sorted({t.bitrate_bps for t in record.tracks}) == [0, 500_000]


async def test_the_heartbeat_says_which_streams_go_to_how_many_nodes(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin, child=NodeId("edge-1"))
    await world.open_relay(origin, child=NodeId("edge-1"), track=TrackId("a0"))
    await world.open_relay(origin, child=NodeId("edge-2"))

    load, carried, _, _ = origin.origin.report()

    assert (load.streams, load.sessions) == (1, 1)
    assert [(stream.app, stream.stream, stream.viewers) for stream in carried] == [("live", "s1", 2)]
