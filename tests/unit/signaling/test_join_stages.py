"""How far a join had come when its outcome was known."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.websocket.domain.effects import Admit, OpenViewer
from tests.unit.signaling.talk import EDGE, Talk

FULL = RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "full")


def test_a_join_that_runs() -> None:
    talk = Talk()
    talk.running()
    assert talk.tally.stages == [JoinStage.RUNNING]


def test_a_client_that_may_not() -> None:
    talk = Talk()
    talk.asks = True
    (admit,) = (effect for effect in talk.send("play", streamId="s1") if isinstance(effect, Admit))
    talk.conversation.entrance.denied(admit.session, RillcastError(ErrorCode.UNAUTHORIZED, "no"))
    assert talk.tally.stages == [JoinStage.ADMISSION]


def test_no_node_takes_it() -> None:
    talk = Talk()
    talk.conversation.sessions.refused(talk.opening(), FULL)
    assert talk.tally.stages == [JoinStage.NODE]


def test_a_client_that_never_answers() -> None:
    talk = Talk()
    session = talk.opening()
    talk.opened(session)
    talk.conversation.sessions.expired(session)
    assert talk.tally.stages == [JoinStage.DESCRIPTION]


def test_an_answer_that_the_node_refuses() -> None:
    talk = Talk()
    session = talk.opening()
    talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    talk.conversation.sessions.answer_refused(session, FULL)
    assert talk.tally.stages == [JoinStage.CONNECTION]


def test_a_client_whom_the_node_never_reaches() -> None:
    talk = Talk()
    session = talk.opening()
    talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    talk.changed(session, SessionState.CLOSED, reason=EndReason.ICE_TIMEOUT)
    assert talk.tally.stages == [JoinStage.CONNECTION]


def test_what_a_viewer_missed_lasts_from_the_news_that_its_edge_is_gone() -> None:
    talk = Talk()
    talk.running()
    gone = talk.conversation.sessions.node_gone(EDGE, 10.5, 10.0)
    (opens,) = [effect for effect in gone if isinstance(effect, OpenViewer)]
    talk.opened(opens.session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    talk.changed(opens.session, SessionState.CONNECTED, now=11.0)
    assert talk.tally.gaps == [1.0]
    assert talk.tally.joins[-1] == ("move", "ok", 0.5)


def test_a_second_edge_that_dies_meanwhile_makes_it_longer() -> None:
    talk = Talk()
    talk.running()
    for now in (10.0, 12.0):
        gone = talk.conversation.sessions.node_gone(EDGE, now)
        (opens,) = [effect for effect in gone if isinstance(effect, OpenViewer)]
        talk.opened(opens.session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")
    talk.changed(opens.session, SessionState.CONNECTED, now=12.5)
    assert talk.tally.gaps == [2.5]


def test_who_joins_has_missed_nothing() -> None:
    talk = Talk()
    talk.opening()
    gone = talk.conversation.sessions.node_gone(EDGE, 10.0)
    for effect in gone:
        if isinstance(effect, OpenViewer):
            talk.connects(effect.session)
    assert talk.tally.gaps == []
