"""The checker of histories finds planted faults, and finds none in what a real register did."""

from __future__ import annotations

import math
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.testing.linearizability import CompareAndSet, Operation, Read, is_linearizable


def read(called: float, answered: float, saw: str | None) -> Read:
    return Read(called=called, answered=answered, saw=saw)


def cas(called: float, answered: float, expected: str | None, value: str, *, done: bool = True) -> CompareAndSet:
    return CompareAndSet(called=called, answered=answered, expected=expected, value=value, done=done)


GOOD: dict[str, list[Operation]] = {
    "nothing": [],
    "one after the other": [cas(0, 1, None, "a"), read(2, 3, "a"), cas(4, 5, "a", "b"), read(6, 7, "b")],
    "a read beside a write sees it or not": [cas(0, 9, None, "a"), read(1, 2, None), read(3, 4, "a")],
    "a write without an answer may happen late": [cas(0, math.inf, None, "a"), read(1, 2, None), read(3, 4, "a")],
    "a write without an answer may never happen": [cas(0, math.inf, None, "a"), cas(1, 2, None, "b")],
    "who comes too late is refused": [cas(0, 1, None, "a"), cas(2, 3, None, "b", done=False)],
    "refused by a write without an answer": [cas(0, math.inf, None, "a"), cas(1, 2, None, "b", done=False)],
}
BAD: dict[str, list[Operation]] = {
    "one revision for two claims": [cas(0, 1, None, "a"), cas(2, 3, None, "b")],
    "one revision for two claims at once": [cas(0, 9, None, "a"), cas(0, 9, None, "b")],
    "a write that was forgotten": [cas(0, 1, None, "a"), cas(2, 3, "a", "b"), read(4, 5, "a")],
    "a read that goes back": [cas(0, 9, None, "a"), read(1, 2, "a"), read(3, 4, None)],
    "a read of what nobody wrote": [read(0, 1, "a")],
    "a read before its write was called": [read(0, 1, "a"), cas(2, 3, None, "a")],
    "refused without a reason": [cas(0, 1, None, "a"), cas(2, 3, "a", "b", done=False)],
    "a write over what a forgetful store brought back": [
        *(cas(0, 1, None, "a"), cas(2, 3, "a", "b"), cas(4, 5, "b", "c")),
        cas(6, 7, "a", "d"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_register_may_do_is_found_right(name: str) -> None:
    assert is_linearizable(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_planted_fault_is_found(name: str) -> None:
    assert not is_linearizable(BAD[name])


VALUES = st.sampled_from([None, "a", "b"])
TIMES = st.tuples(st.integers(0, 6), st.integers(1, 6))


@st.composite
def any_operation(draw: st.DrawFn) -> Operation:
    called, lasts = draw(TIMES)
    answered = float(called + lasts)
    if draw(st.booleans()):
        return read(called, answered, draw(VALUES))
    answered = draw(st.sampled_from([answered, answered, math.inf]))
    return cas(called, answered, draw(VALUES), draw(st.sampled_from("ab")), done=draw(st.booleans()))


def explained(history: list[Operation]) -> bool:
    """The definition, by trying every order of every choice of what happened."""
    surely = [operation for operation in history if math.isfinite(operation.answered)]
    perhaps = [operation for operation in history if math.isinf(operation.answered)]
    for chosen in range(1 << len(perhaps)):
        happened = surely + [operation for number, operation in enumerate(perhaps) if chosen >> number & 1]
        if any(_obeys(order) for order in permutations(happened)):
            return True
    return False


def _obeys(order: tuple[Operation, ...]) -> bool:
    value: str | None = None
    for number, operation in enumerate(order):
        if any(later.answered < operation.called for later in order[number:]):
            return False
        if isinstance(operation, Read):
            if operation.saw != value:
                return False
        elif isinstance(operation, CompareAndSet):
            sets = operation.done or math.isinf(operation.answered)
            if sets is not (operation.expected == value):
                return False
            value = operation.value if sets else value
    return True


@given(st.lists(any_operation(), max_size=5))
def test_it_agrees_with_the_definition(history: list[Operation]) -> None:
    assert is_linearizable(history) == explained(history)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.booleans(), st.booleans()), max_size=200))
def test_what_a_register_did_is_always_found_right(steps: list[tuple[float, float, bool, bool]]) -> None:
    """Step n happens at the time n; its call was earlier, and its answer is later, or never comes."""
    history: list[Operation] = []
    value: str | None = None
    for at, (before, after, reads, knows) in enumerate(steps):
        if reads:
            history.append(read(at - before, at + after, value))
            continue
        expected = value if knows else "stale"
        done = expected == value
        history.append(cas(at - before, at + after, expected, f"v{at}", done=done))
        value = f"v{at}" if done else value
        if after > 2:
            history[-1] = msgspec.structs.replace(history[-1], answered=math.inf)
    assert is_linearizable(history)
