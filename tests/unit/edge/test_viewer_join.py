"""Viewers join: by our offer and by theirs, together, too many, in vain."""

from __future__ import annotations

import asyncio

import pytest
from edge_harness import APP, EDGE, STREAM, VIDEO, WHEP_OFFER, Begin, World, request, until

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import SessionState
from rillcast.media import protocol
from rillcast.node.load import LASTING_SAMPLES


def answer_to(offer: str) -> str:
    """What a browser says to our offer: everything accepted, receiving."""
    swaps = {"a=sendonly": "a=recvonly", "a=setup:actpass": "a=setup:active", "a=ice-lite\r\n": ""}
    for old, new in swaps.items():
        offer = offer.replace(old, new)
    kept = [line for line in offer.split("\r\n") if not line.startswith(("a=ssrc", "a=msid:", "a=candidate"))]
    return "\r\n".join(kept)


async def test_a_whep_viewer_gets_an_answer_and_sources_from_the_relays(world: World) -> None:
    answer = await world.whep()

    added = world.added()[0]
    assert answer.sdp.startswith("v=0")
    assert {track.source for track in added.send} == {feed.source for feed in world.feeds()}
    assert {feed.parent for feed in world.feeds()} == {"192.0.2.7:51000"}
    assert {o.track for o in world.parents["origin-1"].opened} == {"v0", "a0"}
    assert {(o.claim, o.child, o.child_address) for o in world.parents["origin-1"].opened} == {
        ("c1", "edge-1", "192.0.2.2:51000")
    }


async def test_without_an_offer_the_edge_offers_and_begins_with_the_answer(world: World) -> None:
    offer = await world.play()
    assert world.added() == []

    await world.accept(offer.session, answer_to(offer.sdp))

    added = world.added()[0]
    assert offer.id_mapping == {"0": "ARDAMSvs1", "1": "ARDAMSas1"}
    assert {track.source for track in added.send} == {feed.source for feed in world.feeds()}
    assert len(world.feeds()) == 2


async def test_progress_is_told_to_the_signaling_instance(world: World) -> None:
    answer = await world.whep()
    plane_session = world.added()[-1].session

    world.plane.emit(protocol.SessionConnected(session=plane_session, remote="", dtls="", srtp=""))
    await until(lambda: world.told(answer.session) == [("connected", None)])
    world.plane.emit(protocol.SessionMedia(session=plane_session))
    await until(lambda: world.told(answer.session) == [("connected", None), ("media", None)])


async def test_what_becomes_of_a_join_in_one_moment_is_one_event(world: World) -> None:
    session, _ = await world.watching()
    await world.settle()

    (change,) = [change for change in world.changes if change.session == session]
    assert (change.state, change.subscription, change.stream_height) == (SessionState.MEDIA, 0, VIDEO.height)


async def test_many_first_viewers_share_one_opening_per_track(world: World) -> None:
    gate = world.parents["origin-1"].gate = asyncio.Event()

    joins = [asyncio.create_task(world.whep()) for _ in range(25)]
    await until(lambda: len(world.edge.viewers) == 25)
    gate.set()
    await asyncio.gather(*joins)

    assert len(world.parents["origin-1"].opened) == 2
    assert len(world.feeds()) == 2
    assert len(world.added()) == 25


async def test_viewers_are_spread_over_the_workers(begin: Begin) -> None:
    world = await begin(workers=2)
    await world.parent("origin-1")
    await world.live()

    for _ in range(10):
        await world.whep()

    workers = [added.worker for added in world.added()]
    assert (workers.count(0), workers.count(1)) == (5, 5)


async def test_a_stream_that_is_not_live_is_refused(world: World) -> None:
    with pytest.raises(RillcastError) as refusal:
        await world.whep(stream="nothing")

    assert refusal.value.code is ErrorCode.NO_STREAM_EXIST
    assert len(world.edge.viewers) == 0


async def test_a_stream_whose_record_comes_a_moment_later_is_waited_for(begin: Begin) -> None:
    world = await begin()
    await world.parent("origin-1")
    join = asyncio.create_task(world.whep())
    await world.settle()

    await world.live()

    assert (await join).sdp


async def test_a_parent_that_refuses_fails_the_join_and_leaves_nothing(world: World) -> None:
    world.parents["origin-1"].refusal = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "64 nodes are fed", 1.0)

    with pytest.raises(RillcastError, match="64 nodes"):
        await world.whep()

    await world.settle()
    assert len(world.edge.viewers) == 0
    assert world.edge.relays.feeds_of("live/s1") == []
    assert world.added() == []


async def test_no_parent_at_all_is_a_clear_refusal(begin: Begin) -> None:
    world = await begin()
    await world.live()

    with pytest.raises(RillcastError) as refusal:
        await world.whep()

    assert refusal.value.code is ErrorCode.NO_NODE_AVAILABLE


@pytest.mark.parametrize("by", ["whep", "socket"])
async def test_who_comes_while_the_stream_has_lost_its_origin_waits_for_the_next_one(begin: Begin, by: str) -> None:
    world = await begin()
    gone = await world.parent("origin-1")
    gone.refusal = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "nobody listens")
    await world.parent("origin-2")
    await world.live("origin-1", epoch=1)
    join = asyncio.create_task(world.whep() if by == "whep" else world.play())
    await asyncio.sleep(1.0)
    assert not join.done()

    await world.live("origin-2", epoch=2)
    await world.pass_time(0.5)

    assert (await join).sdp


async def test_a_client_that_leaves_during_the_join_gets_no_session(world: World) -> None:
    gate = world.parents["origin-1"].gate = asyncio.Event()
    asked = request(session=SessionId("x"), sdp_offer=WHEP_OFFER)
    join = asyncio.create_task(world.bus.request(subjects.edge_play(EDGE), asked, SessionAnswer))
    await until(lambda: world.edge.viewers.session(SessionId("x")) is not None)

    await world.close(SessionId("x"))
    gate.set()

    with pytest.raises(RillcastError, match="closed during the join"):
        await join
    assert world.added() == []
    assert [feed.users for feed in world.edge.relays.feeds_of("live/s1")] == [0, 0]


async def test_an_answer_that_never_comes_frees_everything(world: World) -> None:
    offer = await world.play(start_timeout_ms=5_000)

    await world.pass_time(5.5)

    assert len(world.edge.viewers) == 0
    assert [feed.users for feed in world.edge.relays.feeds_of("live/s1")] == [0, 0]
    assert world.told(offer.session) == [("closed", "ice_timeout")]
    with pytest.raises(RillcastError) as refusal:
        await world.accept(offer.session, answer_to(offer.sdp))
    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION


async def test_a_garbled_answer_may_be_corrected(world: World) -> None:
    offer = await world.play()

    with pytest.raises(RillcastError) as refusal:
        await world.accept(offer.session, "v=0 nonsense")
    await world.accept(offer.session, answer_to(offer.sdp))

    assert refusal.value.code is ErrorCode.BAD_REMOTE_DESCRIPTION
    assert len(world.added()) == 1


async def test_an_answer_repeated_begins_one_session(world: World) -> None:
    offer = await world.play()

    await world.accept(offer.session, answer_to(offer.sdp))
    await world.accept(offer.session, answer_to(offer.sdp))

    assert len(world.added()) == 1


async def test_the_same_play_again_gets_the_same_answer(world: World) -> None:
    first = await world.play(session=SessionId("x"))
    second = await world.play(session=SessionId("x"))

    assert first == second
    assert len(world.edge.viewers) == 1


async def test_viewers_beyond_the_limit_are_refused_with_the_reason(begin: Begin) -> None:
    world = await begin(max_sessions=1)
    await world.parent("origin-1")
    await world.live()
    await world.whep()

    with pytest.raises(RillcastError, match="all 1 sessions") as refusal:
        await world.whep()

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE


async def test_the_viewers_of_one_client_leave_sessions_for_others(begin: Begin) -> None:
    world = await begin(max_sessions=8)
    await world.parent("origin-1")
    await world.live()
    for _ in range(4):
        await world.watching(client="192.0.2.1")

    with pytest.raises(RillcastError, match="of your address") as refusal:
        await world.whep(client="192.0.2.1")

    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert await world.whep(client="198.51.100.7")


async def test_the_half_open_joins_of_one_client_leave_room_for_others(begin: Begin) -> None:
    world = await begin(max_connecting=8)
    await world.parent("origin-1")
    await world.live()
    for _ in range(4):
        await world.play(client="192.0.2.1")

    with pytest.raises(RillcastError, match="from your address") as refusal:
        await world.play(client="192.0.2.1")
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert refusal.value.retry_after_s

    for number in range(2):
        await world.play(client=f"198.51.100.{number}")
    for _ in range(2):
        await world.play()  # of nobody in particular
    await world.pass_time(10.5)

    assert await world.play(client="192.0.2.1")


async def test_a_flood_of_half_open_joins_is_bounded(begin: Begin) -> None:
    world = await begin(max_connecting=3)
    await world.parent("origin-1")
    await world.live()
    for _ in range(3):
        await world.play()

    with pytest.raises(RillcastError, match="too many viewers are connecting"):
        await world.play()
    await world.pass_time(10.5)

    assert await world.play()


async def test_a_late_media_thread_refuses_viewers(world: World) -> None:
    late = protocol.WorkerStats(
        worker=0,
        busy=0.1,
        loop_lag_ms=200.0,
        packets_in=0,
        packets_out=0,
        bytes_in=0,
        bytes_out=0,
        sessions=0,
        half_open=0,
        counters={"bad_packet": 3},
    )
    for _ in range(LASTING_SAMPLES):
        world.plane.emit(late)

    with pytest.raises(RillcastError, match="timer delay"):
        await world.whep()


async def test_carried_streams_and_load_are_reported(world: World) -> None:
    await world.watching()

    load, carried, _, _ = world.edge.report()

    assert (load.sessions, load.streams) == (1, 1)
    assert [(c.app, c.stream, c.viewers) for c in carried] == [(APP, STREAM, 1)]


async def test_an_answer_before_the_offer_is_out_is_refused(world: World) -> None:
    gate = world.parents["origin-1"].gate = asyncio.Event()
    playing = asyncio.create_task(world.play(session=SessionId("x")))
    await until(lambda: world.edge.viewers.session(SessionId("x")) is not None)

    with pytest.raises(RillcastError) as refusal:
        await world.accept(SessionId("x"), "v=0")
    gate.set()

    assert refusal.value.code is ErrorCode.UNKNOWN_SESSION
    assert (await playing).sdp
