"""The table of a session's life, whole: every phase with everything that can happen."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import SessionId, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.identity import Credentials
from services.signaling.websocket.domain.phases import TABLES, Life, Phase, Step
from services.signaling.websocket.domain.slots import Slot, Slots

EXPECTED = {
    Life.PUBLISH: """
        step            admitting     offer_wanted  opening     connecting  running     given_up
        admitted        offer_wanted  -             -           -           -           -
        denied          over          -             -           -           -           -
        offered         -             opening       -           -           -           -
        opened          -             -             connecting  -           -           over
        refused         -             -             over        -           -           over
        answered        -             -             -           -           -           -
        answer_refused  -             -             -           -           -           -
        started         -             -             -           running     -           -
        closed          -             -             given_up    over        over        -
        node_left       -             -             opening     connecting  running     -
        expired         -             over          given_up    -           -           -
        left            over          over          given_up    over        over        -
        replaced        over          over          given_up    over        over        -
    """,
    Life.PLAY: """
        step            admitting  opening        answer_wanted  connecting  running  given_up
        admitted        opening    -              -              -           -        -
        denied          over       -              -              -           -        -
        offered         -          -              -              -           -        -
        opened          -          answer_wanted  -              -           -        over
        refused         -          over           -              -           -        over
        answered        -          -              connecting     -           -        -
        answer_refused  -          -              -              over        -        -
        started         -          -              -              running     -        -
        closed          -          given_up       over           over        over     -
        node_left       -          given_up       over           over        over     -
        expired         -          given_up       over           -           -        -
        left            over       given_up       over           over        over     -
        replaced        over       given_up       over           over        over     -
    """,
    Life.MOVE: """
        step            opening        answer_wanted  connecting  given_up
        admitted        -              -              -           -
        denied          -              -              -           -
        offered         -              -              -           -
        opened          answer_wanted  -              -           over
        refused         over           -              -           over
        answered        -              connecting     -           -
        answer_refused  -              -              over        -
        started         -              -              running     -
        closed          given_up       over           over        -
        node_left       -              over           over        -
        expired         given_up       over           over        -
        left            given_up       over           over        -
        replaced        -              -              -           -
    """,
}


def expected(life: Life) -> dict[tuple[Phase, Step], Phase]:
    header, *rows = (line.split() for line in EXPECTED[life].strip().splitlines())
    return {
        (Phase(phase), Step(row[0])): Phase(following)
        for row in rows
        for phase, following in zip(header[1:], row[1:], strict=True)
        if following != "-"
    }


def slot(role: Role, phase: Phase) -> Slot:
    return Slot(
        role=role,
        stream=StreamId("s1"),
        session=SessionId("x"),
        asked_at=0.0,
        phase=phase,
        credentials=Credentials(),
        start_timeout_s=10.0,
    )


@pytest.mark.parametrize("life", Life)
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("step", Step)
def test_every_step_in_every_phase(life: Life, phase: Phase, step: Step) -> None:
    role = Role.PLAY if life is Life.PLAY else Role.PUBLISH
    slots, one = Slots(8), slot(role, phase)
    slots.add(one)
    if life is Life.MOVE:
        one.moves_from = slot(role, Phase.RUNNING)
    following = expected(life).get((phase, step))

    assert slots.advance(one, step) == (following is not None)

    assert one.phase is (following or phase)
    assert (slots.session(one.session) is one) == (following is not Phase.OVER)
    in_use = following not in (Phase.OVER, Phase.GIVEN_UP)
    assert (slots.of(role, one.stream) is one) == in_use


@pytest.mark.parametrize("life", Life)
def test_whoever_leaves_is_over_or_waited_for_and_from_every_phase_the_end_is_reached(life: Life) -> None:
    table = TABLES[life]
    alive = {phase for phase, _ in table} - {Phase.GIVEN_UP}

    assert {table[phase, Step.LEFT] for phase in alive} <= {Phase.OVER, Phase.GIVEN_UP}
    assert {step for phase, step in table if phase is Phase.GIVEN_UP} == {Step.OPENED, Step.REFUSED}
    assert not [pair for pair in table if pair[0] is Phase.OVER]
