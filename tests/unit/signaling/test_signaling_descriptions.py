"""What a publisher says of its stream reaches its origin, whenever it says it, and only its own socket may say it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.websocket.domain.effects import Describe, MovePublisher, OpenPublisher
from tests.unit.signaling.signaling_harness import Cluster, cluster
from tests.unit.signaling.talk import EDGE, STREAM, Talk, definitions


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_the_origin_of_a_publisher_that_runs_is_told_at_once(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c, metaData="first", streamName="A show")
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        await client.send("updateStreamMetaData", streamId="s1", metaData={"mood": "new"})
        await c.sees(lambda: c.origin.described)

        (said,) = c.origin.described
        assert (said.session, said.name, said.meta_data) == (session, "A show", '{"mood":"new"}')
        assert await client.nothing_came()


async def test_somebody_else_is_refused(c: Cluster) -> None:
    async with c.client() as publisher, c.client() as stranger:
        session = await publisher.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        refused = await stranger.ask("updateStreamMetaData", streamId="s1", metaData="mine")

    assert (refused["definition"], refused["streamId"]) == ("unauthorized_access", "s1")
    assert c.origin.described == []


@pytest.mark.parametrize(
    ("fields", "definition"), [({}, "missingParameter"), ({"metaData": "x" * 16_385}, "parameter_too_long")]
)
def test_what_cannot_be_kept_is_refused(fields: dict[str, Any], definition: str) -> None:
    talk = Talk()
    talk.offering()

    assert definitions(talk.send("updateStreamMetaData", streamId="s1", **fields)) == [definition]


def test_said_before_the_offer_it_goes_with_the_offer() -> None:
    talk = Talk()
    talk.send("publish", streamId=STREAM, metaData="old")
    talk.send("updateStreamMetaData", streamId=STREAM, metaData="new")
    (opened,) = talk.send("takeConfiguration", streamId=STREAM, type="offer", sdp="v=0")
    assert isinstance(opened, OpenPublisher)
    talk.opened(opened.session)
    started = talk.changed(opened.session, SessionState.MEDIA)

    assert opened.meta_data == "new"
    assert not any(isinstance(effect, Describe) for effect in started)


def test_said_while_the_session_is_opened_it_follows_when_it_runs() -> None:
    talk = Talk()
    session = talk.offering()
    assert talk.send("updateStreamMetaData", streamId=STREAM, metaData="new") == []
    talk.opened(session)

    assert told(talk.changed(session, SessionState.MEDIA)) == ["new"]
    assert told(talk.send("updateStreamMetaData", streamId=STREAM, metaData="new")) == [], "it knows that"


def test_published_again_with_another_description_the_origin_is_told() -> None:
    talk, _ = running()

    assert told(talk.send("publish", 5.0, streamId=STREAM, metaData="new")) == ["new"]


def test_said_while_the_publisher_moves_the_next_origin_is_told() -> None:
    talk, session = running()
    moves = talk.changed(session, SessionState.CLOSED, reason=EndReason.DRAINING)
    (move,) = [effect for effect in moves if isinstance(effect, MovePublisher)]
    talk.send("updateStreamMetaData", streamId=STREAM, metaData="new")
    talk.opened(move.session)
    talk.send("takeConfiguration", streamId=STREAM, type="answer", sdp="v=0")

    assert told(talk.changed(move.session, SessionState.MEDIA)) == ["new"]


def test_a_publisher_hears_that_its_origin_was_not_told_and_may_say_it_again() -> None:
    talk, session = running()
    talk.send("updateStreamMetaData", streamId=STREAM, metaData="new")
    refused = talk.conversation.not_described(session, RillcastError(ErrorCode.NO_NODE_AVAILABLE, "no answer"))

    assert definitions(refused) == ["highResourceUsage"]
    assert told(talk.send("updateStreamMetaData", streamId=STREAM, metaData="new")) == ["new"]


def running() -> tuple[Talk, SessionId]:
    talk = Talk()
    session = talk.offering()
    talk.opened(session)
    talk.changed(session, SessionState.MEDIA)
    return talk, session


def told(effects: Sequence[object]) -> list[str]:
    described = [effect for effect in effects if isinstance(effect, Describe)]
    assert all(effect.node == EDGE for effect in described)
    return [effect.meta_data for effect in described]
