"""Publishers that have no stream yet: whose media comes first has it, and nothing is left of the others."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from origin_harness import H264_OFFER, KEY, World, request, until

from rillcast.cluster.shares import FAIR_S, SharedPlaces
from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from rillcast.contracts.ingest_figures import IngestFigures
from rillcast.contracts.messages import Ack, HandOverRequest
from rillcast.media import protocol
from services.origin.domain.newcomer import MOST_PER_STREAM
from services.origin.domain.takeover import QUICK_IN_A_ROW
from services.origin.usecases.newcomers import MOST, Newcomers
from services.origin.usecases.webrtc_ingest import WebRtcSession

SQUATTER, RIGHTFUL = "203.0.113.9", "198.51.100.1"


def unverified(secret: str) -> dict[str, Any]:
    return {"credential_digest": secret, "secret_digest": secret, "has_credentials": False}


async def test_whoever_asks_without_media_claims_nothing(world: World) -> None:
    origin = await world.origin()

    await world.publish(origin)
    await world.pass_time(9.0)

    assert world.streams.writes == []
    assert origin.origin.report()[1] == ()


async def test_of_ten_strangers_at_once_the_first_with_media_has_the_stream(world: World) -> None:
    origin = await world.origin()
    answers = [await world.publish(origin, **unverified(f"s{n}")) for n in range(MOST_PER_STREAM)]
    for n in (8, 9):
        with pytest.raises(RillcastError, match="too many want this stream") as refusal:
            await world.publish(origin, **unverified(f"s{n}"))
        assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
        assert refusal.value.retry_after_s

    origin.late_media(answers[5])
    origin.late_media(answers[2])
    await until(lambda: ("closed", "in_use") in world.told(answers[2].session))
    await world.pass_time(11.0)

    assert (await world.settled_record()).publisher_session == answers[5].session
    assert [("media", None) in world.told(a.session) for a in answers].count(True) == 1
    assert len(origin.origin.owner._newcomers) == 0
    assert origin.media_node.load.sessions == 1


async def test_asking_again_and_again_without_media_keeps_nobody_out(world: World) -> None:
    origin = await world.origin()
    for n in range(MOST_PER_STREAM):
        await world.publish(origin, **unverified(f"squatter{n}"))
    await world.pass_time(FAIR_S)

    rightful = await world.go_live(origin, **unverified("mine"))

    assert (await world.settled_record()).publisher_session == rightful.session
    assert len(origin.plane.of(protocol.RemoveSession)) == 1


@pytest.mark.parametrize("per_s", [2, 20, 50])
async def test_one_address_that_goes_on_asking_keeps_nobody_out(world: World, per_s: int) -> None:
    origin, lots, number = await world.origin(), random.Random(3), itertools.count()

    async def squat(seconds: float) -> None:
        for _ in range(max(1, round(seconds * per_s))):
            await world.pass_time(1 / per_s)
            with suppress(RillcastError):
                await world.publish(origin, **unverified(f"squatter{next(number)}"), client=SQUATTER)

    await squat(5.0)
    for n in range(20):
        await squat(lots.uniform(0.0, 0.5))
        mine = await world.publish(origin, **unverified(f"mine{n}"), client=RIGHTFUL)
        await squat(1.0)  # as long as its handshake may take
        assert ("closed", "replaced") not in world.told(mine.session)
        await world.close(origin, mine.session)


async def test_the_holder_of_a_silent_stream_always_finds_a_place(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, **unverified("mine"), client=RIGHTFUL)
    await world.pass_time(3.5)
    for n in range(MOST_PER_STREAM):  # so many addresses
        await world.publish(origin, **unverified(f"squatter{n}"), client=f"203.0.113.{n}")
    with pytest.raises(RillcastError, match="too many want this stream"):
        await world.publish(origin, **unverified("another"), client=RIGHTFUL)

    mine = await world.go_live(origin, **unverified("mine"), client=RIGHTFUL)

    assert mine.restored


async def test_the_holder_of_a_stream_that_lives_elsewhere_always_finds_a_place(world: World) -> None:
    first, second = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(first, **unverified("mine"), client=RIGHTFUL)
    await first.kill()
    await until(lambda: second.media_node.watch.directory.by_key(KEY) is not None)
    waiting = second.origin.owner._newcomers
    for n in range(MOST_PER_STREAM):
        squatter = WebRtcSession(second.origin.webrtc, request(**unverified(f"squatter{n}"), client=f"203.0.113.{n}"))
        waiting.receive(squatter, worker=0, restored=False, rightful=False)

    mine = await world.go_live(second, **unverified("mine"), client=RIGHTFUL)

    assert mine.restored


async def test_one_address_has_half_of_an_origins_places_and_gets_them_back(world: World) -> None:
    origin = await world.origin()
    waiting = origin.origin.owner._newcomers

    async def ask(client: str, n: int) -> None:
        await world.publish(origin, stream=StreamId(f"s{n}"), credential_digest=f"{n}", client=client)

    waiting._places = SharedPlaces(20)
    for n in range(10):
        await ask(SQUATTER, n)
    with pytest.raises(RillcastError, match="from your address") as refusal:
        await ask(SQUATTER, 10)
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    await ask(RIGHTFUL, 11)
    await world.pass_time(11.0)

    assert origin.nothing_is_left()
    assert len(waiting._places) == 0
    assert Newcomers(plane=origin.plane, load=origin.media_node.load, clock=world.clock)._places._most == MOST


async def test_a_publisher_that_tries_anew_takes_the_place_of_its_former_try(world: World) -> None:
    origin = await world.origin()
    first = await world.publish(origin)

    for _ in range(20):
        await world.publish(origin)

    assert world.told(first.session) == [("closed", "replaced")]
    assert len(origin.origin.owner._newcomers) == 1


async def test_an_offer_alone_displaces_nobody_and_viewers_never_notice(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    record = await world.settled_record()
    sources = origin.living_sources()
    await world.open_relay(origin)
    writes = len(world.streams.writes)

    second = await world.publish(origin)
    assert second.restored
    for _ in range(11):
        origin.source_stats(sources[0], silent_ms=20)
        await world.pass_time(1.0)

    assert world.told(second.session) == [("closed", "no_media")]
    assert world.told(first.session) == [("connected", None), ("media", None)]
    assert origin.living_sources() == sources
    assert origin.plane.of(protocol.RemoveRelay) == []
    assert set(world.streams.writes[writes:]) == {world.streams.writes[-1]}
    assert await world.record() == msgspec.structs.replace(record, figures=IngestFigures(packets=1))
    assert {r.source for r in origin.plane.of(protocol.RemoveSource)} == set(origin.sources())


async def test_the_old_session_ends_when_the_newcomers_media_has_come(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)

    second = await world.publish(origin)
    assert ("closed", "replaced") not in world.told(first.session)
    origin.media()

    await until(lambda: ("media", None) in world.told(second.session))
    assert world.told(first.session)[-1] == ("closed", "replaced")


async def test_a_newcomer_that_never_gets_further_than_its_handshake_leaves_the_stream_alone(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    second = await world.publish(origin)
    number = origin.last_session().session

    origin.plane.emit(protocol.SessionClosed(session=number, reason=protocol.CloseReason.DTLS_FAILED))

    await until(lambda: world.told(second.session) == [("closed", "no_media")])
    assert (await world.settled_record()).publisher_session == first.session
    assert origin.media_node.load.sessions == 1


async def test_a_silent_publisher_that_speaks_again_before_the_strangers_media_keeps_its_stream(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin, **unverified("s"))
    await world.pass_time(3.5)
    stranger = await world.publish(origin, **unverified("t"))

    origin.source_stats(origin.living_sources()[0], silent_ms=20)
    origin.media()

    await until(lambda: world.told(stranger.session)[-1:] == [("closed", "in_use")])
    assert (await world.settled_record()).publisher_session == first.session


async def test_a_publisher_that_said_goodbye_has_three_seconds_before_a_stranger(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin, **unverified("s"))
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.DTLS_CLOSED)
    )

    with pytest.raises(RillcastError, match="another publisher") as refusal:
        await world.publish(origin, **unverified("t"))
    assert refusal.value.retry_after_s == 3.0
    assert (await world.go_live(origin, **unverified("s"))).restored


async def test_two_rightful_ones_take_the_stream_from_each_other_a_few_times_and_then_every_3_s(
    world: World,
) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    *_, last = [await world.go_live(origin) for _ in range(QUICK_IN_A_ROW)]
    next_one = await world.publish(origin)

    origin.media()
    await world.pass_time(2.5)
    assert (await world.settled_record()).publisher_session == last.session
    assert ("media", None) not in world.told(next_one.session)
    await world.pass_time(1.0)

    assert ("media", None) in world.told(next_one.session)
    assert world.told(last.session)[-1] == ("closed", "replaced")


async def test_a_publisher_that_dies_without_a_word_just_after_its_return_returns_at_once(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.go_live(origin)

    again = await world.publish(origin)
    origin.media()

    await until(lambda: ("media", None) in world.told(again.session))


async def test_whoever_may_have_the_stream_need_not_wait_for_a_session_that_is_gone(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    await world.go_live(origin)
    origin.plane.emit(
        protocol.SessionClosed(session=origin.last_session().session, reason=protocol.CloseReason.DTLS_CLOSED)
    )

    assert (await world.go_live(origin)).restored


async def test_a_plane_that_is_behind_lets_the_stream_go_on_until_it_can_be_taken_over(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    second = await world.publish(origin)
    origin.plane.refused = protocol.AdoptFeeds
    origin.media()
    assert origin.plane.of(protocol.RemoveSession) == []

    origin.plane.refused = None
    await world.pass_time(1.0)

    assert ("media", None) in world.told(second.session)


async def test_a_take_over_needs_neither_bus_nor_store(world: World) -> None:
    origin = await world.origin()
    await world.go_live(origin)
    second = await world.publish(origin)
    world.streams.available = False

    origin.media()

    await until(lambda: ("media", None) in world.told(second.session))


async def test_another_codec_waits_for_its_media_as_well(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    await world.settled_record()
    await world.open_relay(origin)

    second = await world.publish(origin, sdp_offer=H264_OFFER)
    assert origin.plane.of(protocol.RemoveRelay) == []
    origin.media()

    await until(lambda: ("media", None) in world.told(second.session))
    assert origin.living_sources() == origin.sources()
    assert world.told(first.session)[-1] == ("closed", "replaced")
    assert len(origin.plane.of(protocol.RemoveRelay)) == 1


async def test_another_origin_that_only_asks_is_told_and_nothing_changes(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin, **unverified("s"))

    async def asks() -> Ack:
        question = HandOverRequest(session=first.session, rightful=False, only_asking=True)
        return await world.bus.request(subjects.origin_hand_over(origin.name), question, Ack)

    with pytest.raises(RillcastError, match="another publisher"):
        await asks()
    await world.pass_time(3.5)
    await asks()

    assert len(origin.living_sources()) == 2


async def test_a_stream_is_handed_over_when_the_media_has_come_to_the_other_origin(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    first = await world.go_live(old)

    second = await world.publish(new)
    assert len(old.living_sources()) == 2
    new.media()

    await until(lambda: ("media", None) in world.told(second.session))
    assert world.told(first.session)[-1] == ("closed", "replaced")
    assert old.nothing_is_left()


async def test_a_newcomer_at_another_origin_that_brings_nothing_leaves_the_stream_where_it_is(world: World) -> None:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    await world.go_live(old)
    await world.settled_record()
    await world.publish(new)

    await world.pass_time(11.0)

    assert new.nothing_is_left()
    assert (await world.settled_record()).owner == old.name
