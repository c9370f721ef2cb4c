"""What is concluded about a node that gave no sign of life: every answer with every other, every state with every
happening."""

from __future__ import annotations

import itertools

import pytest

from rillcast.runtime.discovery.directory import EXPIRY_S
from rillcast.runtime.discovery.suspicion import (
    FROZEN_GRACE_S,
    MISSING_GRACE_S,
    OVERDUE_S,
    STRANGER_GRACE_S,
    TRANSITIONS,
    AdminSays,
    BusSays,
    Finding,
    Happening,
    Line,
    State,
    Suspicion,
    conclude,
)

EVERYTHING = list(itertools.product(BusSays, AdminSays, Line))
ALIVE, ISOLATED, FROZEN, MISSING, DEAD = Finding

NOT_ON_THE_BUS: dict[AdminSays, dict[Line, Finding]] = {
    AdminSays.SAME: {Line.HELD: ISOLATED, Line.LOST: ISOLATED, Line.NEVER: ISOLATED},
    AdminSays.OTHER: {Line.HELD: FROZEN, Line.LOST: DEAD, Line.NEVER: MISSING},
    AdminSays.REFUSED: {Line.HELD: FROZEN, Line.LOST: DEAD, Line.NEVER: MISSING},
    AdminSays.SILENT: {Line.HELD: FROZEN, Line.LOST: FROZEN, Line.NEVER: FROZEN},
    AdminSays.UNREACHABLE: {Line.HELD: FROZEN, Line.LOST: MISSING, Line.NEVER: MISSING},
}


@pytest.mark.parametrize(("bus", "admin", "line"), EVERYTHING)
def test_every_answer_with_every_other(bus: BusSays, admin: AdminSays, line: Line) -> None:
    expected = ALIVE if bus is BusSays.ANSWERED else NOT_ON_THE_BUS[admin][line]

    assert conclude(bus, admin, line) is expected


def test_nobody_is_dead_at_once_whose_machine_does_not_say_so() -> None:
    dead = {(admin, line) for bus, admin, line in EVERYTHING if conclude(bus, admin, line) is DEAD}

    assert dead == {(AdminSays.REFUSED, Line.LOST), (AdminSays.OTHER, Line.LOST)}


CLEAR, DOUBTED, S_ISOLATED, S_FROZEN, S_MISSING, GONE = State
FOUND: dict[Happening | Finding, State] = {
    ALIVE: CLEAR,
    ISOLATED: S_ISOLATED,
    FROZEN: S_FROZEN,
    MISSING: S_MISSING,
    DEAD: GONE,
}
ALL_GONE = dict.fromkeys([*Finding, Happening.DOUBT, Happening.HEARD], GONE)
EXPECTED: dict[State, dict[Happening | Finding, State]] = {
    CLEAR: {Happening.DOUBT: DOUBTED, Happening.HEARD: CLEAR},
    DOUBTED: {Happening.DOUBT: DOUBTED, Happening.HEARD: DOUBTED, **FOUND},
    S_ISOLATED: {Happening.DOUBT: S_ISOLATED, Happening.HEARD: CLEAR, **FOUND},
    S_FROZEN: {Happening.DOUBT: S_FROZEN, Happening.HEARD: CLEAR, **FOUND, Happening.GRACE_OVER: GONE},
    S_MISSING: {Happening.DOUBT: S_MISSING, Happening.HEARD: CLEAR, **FOUND, Happening.GRACE_OVER: GONE},
    GONE: ALL_GONE,
}


@pytest.mark.parametrize(("state", "what"), list(itertools.product(State, [*Happening, *Finding])))
def test_every_state_with_every_happening(state: State, what: Happening | Finding) -> None:
    assert TRANSITIONS.get((state, what)) is EXPECTED[state].get(what)


class Case:
    """One suspicion and its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.suspicion = Suspicion()
        self.suspicion.doubt(self.now)

    def found(
        self, finding: Finding, line: Line = Line.LOST, after_s: float = 0.0, *, missed_by_others: bool = False
    ) -> State:
        self.now += after_s
        self.suspicion.found(finding, line, self.now, missed_by_others=missed_by_others)
        return self.suspicion.state


def test_the_dead_are_gone_at_the_first_look() -> None:
    assert Case().found(DEAD) is GONE


@pytest.mark.parametrize(
    ("finding", "line", "grace_s"),
    [
        (MISSING, Line.LOST, MISSING_GRACE_S),
        (MISSING, Line.NEVER, STRANGER_GRACE_S),
        (FROZEN, Line.HELD, FROZEN_GRACE_S),
        (FROZEN, Line.NEVER, FROZEN_GRACE_S),
    ],
)
def test_the_silent_are_gone_after_a_grace_and_a_further_look(finding: Finding, line: Line, grace_s: float) -> None:
    case = Case()
    assert case.found(finding, line).value == finding.value
    assert case.found(finding, line, grace_s - 0.01).value == finding.value
    assert case.found(finding, line, 0.01) is GONE


@pytest.mark.parametrize("finding", Finding)
@pytest.mark.parametrize("line", Line)
def test_a_second_observer_spares_the_grace_of_a_machine_out_of_reach_and_of_nobody_else(
    finding: Finding, line: Line
) -> None:
    gone = finding is DEAD or (finding is MISSING and line is Line.LOST)
    assert (Case().found(finding, line, missed_by_others=True) is GONE) == gone


def test_a_first_look_that_comes_late_ends_nothing() -> None:
    assert Case().found(MISSING, after_s=60.0) is S_MISSING


def test_a_node_whose_lifeline_was_never_held_has_as_long_as_without_anybody_who_asks() -> None:
    assert OVERDUE_S + STRANGER_GRACE_S == EXPIRY_S


def test_what_was_frozen_and_is_missing_now_has_waited_all_the_time() -> None:
    case = Case()
    case.found(FROZEN, Line.HELD)
    assert case.found(MISSING, Line.LOST, MISSING_GRACE_S) is GONE


def test_who_answered_in_between_has_the_whole_grace_again() -> None:
    case = Case()
    case.found(MISSING)
    case.found(ISOLATED, after_s=MISSING_GRACE_S)
    assert case.found(MISSING, after_s=MISSING_GRACE_S) is S_MISSING


def test_the_grace_begins_anew_when_somebody_vouches() -> None:
    case = Case()
    case.found(MISSING)
    case.suspicion.wait_anew(case.now + MISSING_GRACE_S)
    assert case.found(MISSING, after_s=MISSING_GRACE_S) is S_MISSING
    assert case.found(MISSING, after_s=MISSING_GRACE_S) is GONE


def test_a_heartbeat_ends_every_doubt_but_one_that_is_being_looked_into() -> None:
    case = Case()
    case.suspicion.heard()
    assert case.suspicion.state is DOUBTED, "it may have been sent before the lifeline broke"
    for finding in (ISOLATED, FROZEN, MISSING):
        case.suspicion.doubt(case.now)
        case.found(finding)
        case.suspicion.heard()
        assert case.suspicion.state is CLEAR


def test_new_sessions_go_to_nobody_who_was_not_reached() -> None:
    case = Case()
    assert case.suspicion.trusted
    for finding, trusted in ((ISOLATED, False), (FROZEN, False), (MISSING, False), (ALIVE, True)):
        case.found(finding)
        assert case.suspicion.trusted is trusted
        case.suspicion.doubt(case.now)
