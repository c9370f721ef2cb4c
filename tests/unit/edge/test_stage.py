"""The stages of a session: every event in every stage, and where it leads."""

from __future__ import annotations

import pytest

from services.edge.domain.stage import TRANSITIONS, Stage, StageEvent

EXPECTED = """
    event       OPENING     OFFERED   ANSWERED    CONNECTING  CONNECTED  MEDIA  ENDED
    OFFER_SENT  OFFERED     -         -           -           -          -      -
    ANSWERED    -           ANSWERED  -           -           -          -      -
    BEGUN       CONNECTING  -         CONNECTING  -           -          -      -
    CONNECTED   -           -         -           CONNECTED   CONNECTED  MEDIA  -
    MEDIA       -           -         -           MEDIA       MEDIA      MEDIA  -
    ENDED       ENDED       ENDED     ENDED       ENDED       ENDED      ENDED  ENDED
"""
"""Written a second time by hand. ``-``: it cannot happen."""


def expected() -> dict[tuple[Stage, StageEvent], Stage]:
    header, *rows = (line.split() for line in EXPECTED.strip().splitlines())
    return {
        (Stage[stage], StageEvent[row[0]]): Stage[following]
        for row in rows
        for stage, following in zip(header[1:], row[1:], strict=True)
        if following != "-"
    }


@pytest.mark.parametrize("event", StageEvent)
@pytest.mark.parametrize("stage", Stage)
def test_every_event_in_every_stage(stage: Stage, event: StageEvent) -> None:
    assert TRANSITIONS.get((stage, event)) is expected().get((stage, event))


@pytest.mark.parametrize("event", StageEvent)
@pytest.mark.parametrize("stage", Stage)
def test_no_event_leads_back(stage: Stage, event: StageEvent) -> None:
    assert TRANSITIONS.get((stage, event), stage) >= stage


@pytest.mark.parametrize("stage", Stage)
def test_a_session_can_end_at_any_time_and_more_than_once(stage: Stage) -> None:
    assert TRANSITIONS[stage, StageEvent.ENDED] is Stage.ENDED


def test_every_stage_can_be_reached() -> None:
    assert set(TRANSITIONS.values()) | {Stage.OPENING} == set(Stage)
