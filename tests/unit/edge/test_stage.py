"""The stages of a session: which event leads where, and which can't happen."""

from __future__ import annotations

import pytest

from services.edge.domain.stage import TRANSITIONS, Stage, StageEvent


@pytest.mark.parametrize("event", StageEvent)
@pytest.mark.parametrize("stage", Stage)
def test_no_event_leads_back(stage: Stage, event: StageEvent) -> None:
    assert TRANSITIONS.get((stage, event), stage) >= stage


@pytest.mark.parametrize("stage", Stage)
def test_a_session_can_end_at_any_time_and_more_than_once(stage: Stage) -> None:
    assert TRANSITIONS[stage, StageEvent.ENDED] is Stage.ENDED


def test_what_can_not_happen() -> None:
    refused = {(stage, event) for stage in Stage for event in StageEvent} - set(TRANSITIONS)
    early, begun = (Stage.OPENING, Stage.OFFERED, Stage.ANSWERED), (Stage.CONNECTING, Stage.CONNECTED, Stage.MEDIA)
    plane = {(stage, event) for stage in early for event in (StageEvent.CONNECTED, StageEvent.MEDIA)}
    again = {
        (stage, event) for stage in begun for event in (StageEvent.OFFER_SENT, StageEvent.ANSWERED, StageEvent.BEGUN)
    }
    negotiation = {
        (Stage.OPENING, StageEvent.ANSWERED),
        (Stage.OFFERED, StageEvent.OFFER_SENT),
        (Stage.OFFERED, StageEvent.BEGUN),
        (Stage.ANSWERED, StageEvent.OFFER_SENT),
        (Stage.ANSWERED, StageEvent.ANSWERED),
    }
    over = {(Stage.ENDED, event) for event in StageEvent if event is not StageEvent.ENDED}
    assert refused == plane | again | negotiation | over


def test_every_stage_can_be_reached() -> None:
    assert set(TRANSITIONS.values()) | {Stage.OPENING} == set(Stage)
