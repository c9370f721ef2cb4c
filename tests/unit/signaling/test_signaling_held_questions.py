"""Questions that come too early: the answer waits for the size of the stream and its rungs, and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.contracts.words import MediaKind, SessionState
from services.signaling.websocket.domain.effects import AskAgain, Effect, Send
from services.signaling.websocket.domain.held_questions import LONGEST_S, MOST_HELD, PAUSE_S
from tests.unit.signaling.signaling_harness import Cluster, cluster
from tests.unit.signaling.talk import STREAM, Talk, definitions


def video(height: int, name: str = "v0") -> TrackRecord:
    return TrackRecord(
        track=TrackId(name),
        mid="v0",
        kind=MediaKind.VIDEO,
        codec="VP8",
        clock_rate=90_000,
        width=height * 16 // 9,
        height=height,
    )


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def test_the_size_that_comes_later_is_in_the_answer(c: Cluster) -> None:
    await c.go_live(tracks=(video(0),))
    async with c.client() as client:
        await client.send("getStreamInfo", streamId="s1")
        assert await client.nothing_came(), "the socket answers other things meanwhile"
        await c.go_live(tracks=(video(720),))
        answer = await client.receive()

    (one,) = answer["streamInfo"]
    assert (one["streamWidth"], one["streamHeight"]) == (1280, 720)


async def test_a_size_that_never_comes_is_not_waited_for_long(c: Cluster) -> None:
    await c.go_live(tracks=(video(0),))
    async with c.client() as client:
        assert (await client.ask("getStreamInfo", streamId="s1"))["streamInfo"][0]["streamHeight"] == 0


async def test_a_publisher_that_has_started_is_not_told_that_its_stream_is_not_there(c: Cluster) -> None:
    async with c.client() as client:
        session = await client.publish(c)
        await c.origin.tell(session, state=SessionState.MEDIA)
        assert (await client.receive())["definition"] == "publish_started"
        await client.send("getBroadcastObject", streamId="s1")
        assert await client.nothing_came()
        await c.go_live()
        assert (await client.receive())["definition"] == "broadcastObject"


def asked_for(talk: Talk, command: str = "getStreamInfo", **fields: Any) -> list[Effect]:
    return talk.send(command, streamId=STREAM, **fields)


def test_the_rungs_of_a_ladder_are_waited_for_and_no_longer_than_three_seconds() -> None:
    talk = Talk()
    talk.known.rungs_come = True
    (again,) = asked_for(talk)
    waited_s = 0.0
    while isinstance(again, AskAgain):
        waited_s += again.after_s
        (again,) = talk.conversation.ask_again(again.number)

    assert isinstance(again, Send)
    assert abs(waited_s - LONGEST_S) < PAUSE_S


def test_only_the_renditions_wait_for_rungs() -> None:
    talk = Talk()
    talk.known.rungs_come = True

    assert definitions(asked_for(talk, "getBroadcastObject")) == ["broadcastObject"]


def test_a_socket_has_so_many_questions_waiting_and_no_more() -> None:
    talk = Talk()
    talk.known.rungs_come = True
    held = [asked_for(talk) for _ in range(MOST_HELD)]

    assert all(isinstance(effect, AskAgain) for (effect,) in held)
    assert definitions(asked_for(talk)) == ["streamInformation"]


def test_a_question_of_a_socket_that_is_gone_is_not_answered() -> None:
    talk = Talk()
    talk.known.rungs_come = True
    (again,) = asked_for(talk)
    assert isinstance(again, AskAgain)
    talk.conversation.closed(sessions_stay=False)

    assert talk.conversation.ask_again(again.number) == []


def test_each_height_is_told_once() -> None:
    talk = Talk()
    talk.known.has_tracks(STREAM, *(video(height, name) for height, name in ((720, "a"), (360, "b"), (720, "c"))))

    (answer,) = asked_for(talk)
    assert isinstance(answer, Send)
    info = msgspec.json.decode(answer.frame)["streamInfo"]
    assert [one["streamHeight"] for one in info] == [720, 360]
