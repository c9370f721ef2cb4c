"""Questions about a live stream on the WebSocket: what is answered, and for a stream that is not live."""

from __future__ import annotations

import msgspec
import pytest

from rillcast.contracts.ids import StreamId
from services.signaling.websocket.domain.asked import Question
from services.signaling.websocket.domain.effects import Send
from services.signaling.websocket.domain.questions import QUESTIONS
from tests.unit.signaling.talk import LIVE, STREAM, Known, questions_about


def asked(command: str, stream: StreamId = STREAM) -> dict[str, object]:
    (effect,) = questions_about(Known()).answer(Question(command=command, app=LIVE, stream=stream))
    assert isinstance(effect, Send)
    frame: dict[str, object] = msgspec.json.decode(effect.frame)
    return frame


def test_the_renditions_of_a_stream() -> None:
    frame = asked("getStreamInfo")

    assert (frame["command"], frame["streamId"]) == ("streamInformation", "s1")
    assert isinstance(frame["streamInfo"], list)


def test_how_many_watch() -> None:
    frame = asked("getSubscriberCount")

    assert (frame["definition"], frame["count"]) == ("subscriberCount", 1)


def test_a_broadcast_is_a_text_of_json_that_does_not_say_where_its_origin_is() -> None:
    frame = asked("getBroadcastObject")
    broadcast = msgspec.json.decode(str(frame["broadcast"]))

    assert (broadcast["streamId"], broadcast["status"]) == ("s1", "broadcasting")
    assert (broadcast["originAdress"], broadcast["webRTCViewerCount"]) == (None, 1)


@pytest.mark.parametrize("command", sorted(QUESTIONS))
def test_a_stream_that_is_not_live_is_an_error_and_nobody_waits(command: str) -> None:
    assert asked(command, StreamId("none")) == {
        "command": "error",
        "definition": "no_stream_exist",
        "error_code": "404",
        "streamId": "none",
    }
