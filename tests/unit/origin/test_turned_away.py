"""Newcomers that are turned away: by a drain, and because their stream was stopped."""

from __future__ import annotations

from origin_harness import APP, STREAM, RunningOrigin, World, until

from rillcast.contracts import subjects
from rillcast.contracts.messages import CloseAnswer, TurnAwayRequest


async def test_a_draining_origin_sends_newcomers_away(world: World) -> None:
    origin: RunningOrigin = await world.origin(drain_timeout_s=0.0)
    answer = await world.publish(origin)

    await origin.drain()

    await until(lambda: world.told(answer.session)[:1] == [("closed", "draining")])
    assert origin.nothing_is_left()


async def turn_away(world: World, at: RunningOrigin) -> bool:
    """Whether somebody waited there for the stream."""
    request = TurnAwayRequest(app=APP, stream=STREAM)
    return (await world.bus.request(subjects.origin_turn_away(at.name), request, CloseAnswer)).found


async def test_whoever_waits_for_a_stream_that_is_stopped_does_not_get_it(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    second = await world.publish(origin)

    assert await turn_away(world, origin)
    assert await world.close(origin, first.session)
    await world.pass_time(11.0)

    assert world.told(second.session) == [("closed", "stopped")]
    assert await world.record() is None
    assert origin.nothing_is_left()
    assert not await turn_away(world, origin)


async def test_the_publisher_stays_when_those_who_wait_are_turned_away(world: World) -> None:
    origin = await world.origin()
    first = await world.go_live(origin)
    await world.publish(origin)

    assert await turn_away(world, origin)

    assert (await world.settled_record()).publisher_session == first.session
    assert (await world.go_live(origin)).restored


async def test_whoever_is_turned_away_while_its_key_is_claimed_leaves_nothing(world: World) -> None:
    origin = await world.origin()
    answer = await world.publish(origin)
    with world.slow_store() as written:
        origin.media()
        await written.wait()
        assert await turn_away(world, origin)

    await until(origin.nothing_is_left)
    await until(lambda: world.streams.writes[-1][1] is None)
    assert ("media", None) not in world.told(answer.session)
