"""The sessions of one socket: how many there may be, and how they are found."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import SessionId, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.identity import Credentials
from services.signaling.websocket.domain.phases import Phase, Step
from services.signaling.websocket.domain.slots import Slot, Slots


def slot(name: str, phase: Phase, role: Role = Role.PLAY, *, moving: bool = False) -> Slot:
    return Slot(
        role=role,
        stream=StreamId(name),
        session=SessionId(f"{role.value} {name} {phase.value}"),
        asked_at=0.0,
        phase=phase,
        credentials=Credentials(),
        moving=moving,
    )


def test_sessions_and_those_who_are_asked_about_are_bounded_apart() -> None:
    slots = Slots(most=2)
    slots.add(slot("a", Phase.ADMITTING))
    slots.add(slot("b", Phase.ADMITTING))
    assert (slots.full, slots.too_many_ask) == (False, True)

    slots.add(slot("c", Phase.RUNNING))
    slots.add(slot("d", Phase.OPENING))
    assert (slots.full, slots.too_many_ask, len(slots)) == (True, True, 4)


def test_a_session_that_is_given_up_gives_its_place_and_name_free_and_is_found_until_it_is_over() -> None:
    slots, one = Slots(most=1), slot("a", Phase.OPENING)
    slots.add(one)
    slots.advance(one, Step.LEFT)

    assert (slots.full, slots.of(Role.PLAY, one.stream), slots.session(one.session)) == (False, None, one)
    slots.advance(one, Step.OPENED)
    assert (slots.session(one.session), len(slots)) == (None, 0)


def test_a_successor_keeps_the_name_when_its_predecessor_is_over() -> None:
    slots, former, successor = Slots(most=1), slot("a", Phase.RUNNING), slot("a", Phase.OPENING)
    slots.add(former)
    slots.add(successor)
    slots.advance(former, Step.CLOSED)

    assert slots.of(Role.PLAY, StreamId("a")) is successor
    assert slots.all() == [successor]


def test_a_publisher_and_a_viewer_of_one_stream_are_two_sessions() -> None:
    slots = Slots(most=2)
    viewer, publisher = slot("a", Phase.RUNNING), slot("a", Phase.RUNNING, Role.PUBLISH)
    slots.add(viewer)
    slots.add(publisher)

    assert slots.of(Role.PLAY, StreamId("a")) is viewer
    assert slots.of(Role.PUBLISH, StreamId("a")) is publisher


@pytest.mark.parametrize("phase", Phase)
def test_a_session_has_run_while_it_runs_and_while_another_edge_takes_it_over(phase: Phase) -> None:
    assert slot("a", phase).has_run == (phase is Phase.RUNNING)
    assert slot("a", phase, moving=True).has_run
