"""How far a publisher is: every state with every event."""

from __future__ import annotations

import itertools

import pytest

from services.origin.domain.publish_state import TRANSITIONS, PublishEvent, PublishState, after

S, E = PublishState, PublishEvent
EXPECTED = {
    S.FLOWING: {E.NEWCOMER: S.FLOWING, E.GONE: S.ABSENT, E.OVER: S.OVER},
    S.ABSENT: {E.NEWCOMER: S.FLOWING, E.GONE: S.ABSENT, E.OVER: S.OVER},
    S.OVER: {},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(S, E)))
def test_every_pair_is_decided(state: PublishState, event: PublishEvent) -> None:
    expected = EXPECTED[state].get(event)

    if expected is not None:
        assert after(state, event) is expected
        return
    with pytest.raises(RuntimeError, match=f"{state.name} cannot have {event.name}"):
        after(state, event)


def test_every_state_is_reached_and_only_the_end_is_final() -> None:
    assert set(TRANSITIONS.values()) == set(S)
    assert {state for state, _ in TRANSITIONS} == set(S) - {S.OVER}
