"""Clients that move while their former node still serves them: the first offer, and when the second one follows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import FormerSession, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.websocket.domain.effects import Accept, Effect, End, OfferThen, OpenViewer, Send
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot
from services.signaling.websocket.domain.two_offers import REACH_S
from tests.unit.signaling.talk import EDGE, STREAM, Talk, definitions

NEW = NodeId("edge-2")
MAPPING = {"0": "ARDAMSvs1"}


class Moving(Talk):
    """A viewer whose edge drains."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.running()
        begun = self.event(self.first, EDGE, state=SessionState.CLOSED, reason=EndReason.DRAINING, sdp_offered="old")
        (self.opens,) = [effect for effect in begun if isinstance(effect, OpenViewer)]
        self.session = self.opens.session

    @property
    def slot(self) -> Slot:
        slot = self.conversation._slots.of(Role.PLAY, STREAM)
        assert slot is not None
        return slot

    def event(self, session: SessionId, node: NodeId, **changes: Any) -> list[Effect]:
        return self.conversation.sessions.changed(SessionChanged(session=session, node=node, **changes), 0.0)

    def offers(self, then: str = "second", **more: Any) -> list[Effect]:
        answer = SessionAnswer(session=self.session, node=NEW, sdp="first", sdp_then=then, id_mapping=MAPPING, **more)
        return self.conversation.sessions.opened(answer)

    def answers(self) -> list[Effect]:
        return self.send("takeConfiguration", streamId=STREAM, type="answer", sdp="v=0 answer")

    def reached(self) -> list[Effect]:
        return self.event(self.session, NEW, reached=True)


def sent(effects: list[Effect]) -> list[str]:
    return [msgspec.json.decode(effect.frame)["sdp"] for effect in effects if isinstance(effect, Send)]


def test_the_next_edge_hears_what_the_client_was_offered_by_the_one_that_drains() -> None:
    assert Moving().opens.sdp_offered == "old"


def test_a_viewer_whose_edge_is_gone_has_nothing_to_keep() -> None:
    talk = Talk()
    talk.running()

    (opens,) = [e for e in talk.conversation.sessions.node_gone(EDGE, 0.0) if isinstance(e, OpenViewer)]

    assert opens.sdp_offered == ""


def test_the_second_offer_follows_when_the_new_edge_is_reached() -> None:
    talk = Moving()

    assert sent(talk.offers()) == ["first"]
    (accept, later) = talk.answers()
    second = talk.reached()

    assert accept == Accept(role=Role.PLAY, session=talk.session, node=NEW, sdp_answer="v=0 answer")
    assert later == OfferThen(talk.session, REACH_S)
    assert sent(second) == ["second"]
    assert msgspec.json.decode(second[0].frame)["idMapping"] == MAPPING  # type: ignore[union-attr]
    assert talk.answers() == [], "its edge knows all of it"
    assert talk.tally.refused == []


def test_it_is_sent_once_whatever_says_so() -> None:
    talk = Moving()
    talk.offers()
    talk.answers()

    assert sent(talk.conversation.sessions.offer_then(talk.session)) == ["second"], "the word of the edge was lost"
    assert talk.reached() == []
    assert talk.conversation.sessions.offer_then(talk.session) == []


def test_the_former_session_ends_when_the_new_one_runs_and_the_client_hears_nothing() -> None:
    talk = Moving()
    talk.offers()
    talk.answers()
    talk.reached()

    runs = talk.event(talk.session, NEW, state=SessionState.CONNECTED)

    assert definitions(runs) == []
    assert [effect for effect in runs if isinstance(effect, End)] == [
        End(session=talk.first, node=EDGE, reason=EndReason.REPLACED)
    ]
    assert talk.answers() == [], "the answer to the second offer comes late"
    assert talk.tally.refused == []
    assert (talk.slot.phase, talk.slot.offer, talk.slot.id_mapping) == (Phase.RUNNING, "", {}), "nothing is kept"


def test_an_edge_that_makes_one_offer_gets_no_second_one() -> None:
    talk = Moving()

    assert sent(talk.offers(then="")) == ["first"]
    (accept,) = talk.answers()

    assert isinstance(accept, Accept)
    assert talk.reached() == talk.conversation.sessions.offer_then(talk.session) == []


def test_what_an_edge_says_before_the_client_has_answered_changes_nothing() -> None:
    talk = Moving()
    talk.offers()

    assert talk.reached() == []
    talk.answers()
    assert sent(talk.reached()) == ["second"]


@pytest.mark.parametrize("node", [EDGE, NodeId("edge-9")])
def test_only_the_edge_that_has_the_session_is_heard(node: NodeId) -> None:
    talk = Moving()
    talk.offers()
    talk.answers()

    assert talk.event(talk.session, node, reached=True) == []


def test_a_viewer_that_stops_meanwhile_gets_no_second_offer() -> None:
    talk = Moving()
    talk.offers()
    talk.answers()
    talk.send("stop", streamId=STREAM)

    assert talk.reached() == talk.conversation.sessions.offer_then(talk.session) == []


# ---- the association goes along


def test_the_next_edge_hears_whose_association_it_may_ask_for() -> None:
    talk = Talk()
    session = talk.running()
    left = SessionChanged(
        session=session,
        node=EDGE,
        state=SessionState.CLOSED,
        reason=EndReason.DRAINING,
        sdp_offered="old",
        association="secret",
    )

    (opens,) = [e for e in talk.conversation.sessions.changed(left, 0.0) if isinstance(e, OpenViewer)]

    assert opens.former == FormerSession(node=EDGE, session=session, association="secret")


def test_an_edge_of_an_older_version_has_nothing_to_ask_for() -> None:
    assert Moving().opens.former is None


def test_the_second_offer_waits_for_the_word_of_an_edge_that_has_the_keys() -> None:
    talk = Moving()

    assert sent(talk.offers(keeps_association=True)) == ["first"]
    (accept,) = talk.answers()
    assert isinstance(accept, Accept)
    assert sent(talk.reached()) == ["second"]
    assert talk.reached() == []


def test_who_keeps_its_association_hears_one_offer() -> None:
    talk = Moving()
    talk.offers(keeps_association=True)
    talk.answers()

    runs = talk.event(talk.session, NEW, state=SessionState.CONNECTED)

    assert [effect for effect in runs if isinstance(effect, End)] == [
        End(session=talk.first, node=EDGE, reason=EndReason.REPLACED)
    ]
    assert (talk.slot.phase, talk.slot.offer, talk.slot.id_mapping) == (Phase.RUNNING, "", {}), "nothing is kept"
    assert talk.reached() == talk.conversation.sessions.offer_then(talk.session) == []
