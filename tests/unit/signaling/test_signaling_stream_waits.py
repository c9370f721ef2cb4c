"""The streams that one socket waits for: told once, bounded, and none is left when the socket goes."""

from __future__ import annotations

from rillcast.contracts.ids import StreamId
from services.signaling.websocket.domain.effects import Send, StopWaiting, Wait
from services.signaling.websocket.domain.stream_waits import StreamWaits

ONE, TWO, THREE = StreamId("s1"), StreamId("s2"), StreamId("s3")


def test_who_asks_twice_is_answered_twice_and_waits_once() -> None:
    waits = StreamWaits(5)

    first, second = waits.not_live(ONE), waits.not_live(ONE)

    assert [type(effect) for effect in first] == [Send, Wait]
    assert [type(effect) for effect in second] == [Send]
    assert len(waits) == 1


def test_beyond_the_bound_a_client_is_answered_and_not_noted() -> None:
    waits = StreamWaits(2)
    for stream in (ONE, TWO, THREE):
        effects = waits.not_live(stream)

    assert [type(effect) for effect in effects] == [Send]
    assert len(waits) == 2
    assert waits.live(THREE) == []


def test_a_stream_that_goes_live_is_told_once() -> None:
    waits = StreamWaits(5)
    waits.not_live(ONE)

    told = waits.live(ONE)

    assert told[0] == StopWaiting(ONE)
    assert isinstance(told[1], Send)
    assert "streaming_started" in told[1].frame
    assert waits.live(ONE) == []


def test_a_place_that_was_given_back_is_free_again() -> None:
    waits = StreamWaits(1)
    waits.not_live(ONE)
    assert waits.stop(ONE) == [StopWaiting(ONE)]
    assert waits.stop(ONE) == []

    assert Wait(TWO) in waits.not_live(TWO)


def test_all_are_given_back_when_the_socket_goes() -> None:
    waits = StreamWaits(5)
    for stream in (TWO, ONE):
        waits.not_live(stream)

    assert waits.stop_all() == [StopWaiting(ONE), StopWaiting(TWO)]
    assert len(waits) == 0
