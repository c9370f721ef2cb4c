"""Every state of a job against every event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.transcoder.domain.job_state import TRANSITIONS, JobEvent, JobState, advance

E, S = JobEvent, JobState

MATRIX = {
    #             WON         LOST     STOP         DRAIN           LEASE_LOST  UNWATCHED  CLOSED
    S.CLAIMING: (S.HELD, S.ENDED, S.ABANDONED, S.ABANDONED, None, None, None),
    S.ABANDONED: (S.ENDING, S.ENDED, S.ABANDONED, S.ABANDONED, None, None, None),
    S.HELD: (None, None, S.ENDING, S.HANDING_OVER, S.ENDING, None, None),
    S.HANDING_OVER: (None, None, S.ENDING, S.HANDING_OVER, S.ENDING, S.ENDING, None),
    S.ENDING: (None, None, S.ENDING, S.ENDING, S.ENDING, S.ENDING, S.ENDED),
    S.ENDED: (None, None, S.ENDED, S.ENDED, None, None, None),
}
"""Written a second time by hand, in the order of `JobEvent`. None: it can't happen."""


@pytest.mark.parametrize("state", JobState)
@pytest.mark.parametrize("event", JobEvent)
def test_every_event_in_every_state(state: JobState, event: JobEvent) -> None:
    expected = MATRIX[state][list(JobEvent).index(event)]
    if expected is None:
        with pytest.raises(ValueError, match=f"{event.name} can't happen to a job that is {state.name}"):
            advance(state, event)
    else:
        assert advance(state, event) is expected


@given(st.lists(st.sampled_from(JobEvent)))
def test_whatever_happens_a_job_that_is_ending_never_holds_its_lease_again(events: list[JobEvent]) -> None:
    state, seen = JobState.CLAIMING, [JobState.CLAIMING]
    for event in events:
        if (state, event) in TRANSITIONS:
            state = advance(state, event)
            seen.append(state)
    once_over = [seen.index(over) for over in (S.ENDING, S.ENDED) if over in seen]
    after = seen[min(once_over) :] if once_over else []
    assert set(after) <= {S.ENDING, S.ENDED}


def test_every_state_is_reached_and_but_for_the_last_left() -> None:
    assert set(TRANSITIONS.values()) | {JobState.CLAIMING} == set(JobState)
    left = {state for (state, _), after in TRANSITIONS.items() if after is not state}
    assert left == set(JobState) - {JobState.ENDED}
