"""What is not there, or not for one stream by itself, is refused in words; the table of the commands says how."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.words import MediaKind
from services.signaling.websocket.domain import conversation
from services.signaling.websocket.domain.command_table import PARTS, ROWS
from services.signaling.websocket.domain.effects import Effect, Mute, Send
from services.signaling.websocket.domain.not_served import NOT_SERVED
from services.signaling.websocket.domain.questions import QUESTIONS
from tests.unit.signaling.talk import EDGE, STREAM, Talk, definitions

WITHOUT_A_STREAM = {"ping", "getIceServerConfig"}
PUSH = {"registerPushNotificationToken", "sendPushNotification"}


def frames(effects: list[Effect]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(effect.frame) for effect in effects if isinstance(effect, Send)]


def only_frame(effects: list[Effect]) -> dict[str, Any]:
    (frame,) = frames(effects)
    assert len(effects) == 1
    return frame


def test_the_table_has_every_command_once_and_no_other() -> None:
    assert ROWS.keys() == conversation.SERVED | NOT_SERVED | WITHOUT_A_STREAM
    assert len(ROWS) == sum(len(part.rows) for part in PARTS)
    assert {name for name, row in ROWS.items() if not row.does} == NOT_SERVED
    assert {name for name, row in ROWS.items() if not row.needs_stream} == WITHOUT_A_STREAM


@pytest.mark.parametrize("command", sorted(NOT_SERVED - PUSH))
@pytest.mark.parametrize("room", ["", "r1"])
def test_what_is_not_served_is_refused_as_the_table_says(command: str, room: str) -> None:
    frame = only_frame(Talk().send(command, streamId="s1", room=room))

    codes = list(ROWS[command].refusals)
    expected = codes[0] if len(codes) == 1 or not room else codes[1]
    assert (frame["command"], frame["definition"], frame["streamId"]) == ("error", expected.value, "s1")
    assert "not served here" in frame["information"] or "register" in frame["information"]
    assert frame.get("room", "") == (room if len(codes) > 1 else "")


@pytest.mark.parametrize("command", sorted(PUSH))
def test_a_push_notification_is_refused_in_the_form_that_its_sdk_reads(command: str) -> None:
    assert only_frame(Talk().send(command, streamId="s1")) == {
        "command": "notification",
        "success": False,
        "definition": command,
        "information": "push notifications are not served here",
    }


@pytest.mark.parametrize("command", sorted(NOT_SERVED))
def test_without_a_stream_the_name_is_missing_and_the_thing_as_well(command: str) -> None:
    missing, refused = frames(Talk().send(command, room="r1"))

    assert missing == {"command": "error", "definition": "noStreamNameSpecified"}
    assert refused["definition"] == only_frame(Talk().send(command, streamId="s1", room="r1"))["definition"]
    assert "streamId" not in refused


@pytest.mark.parametrize(
    ("fields", "definition"),
    [
        ({"mainTrack": "room1", "video": True}, "conference_rooms_not_supported"),
        ({"mainTrack": ["room1"]}, "conference_rooms_not_supported"),
        ({"video": False, "audio": False}, "data_channels_not_supported"),
        ({"video": "false", "audio": "false"}, "data_channels_not_supported"),
        ({"metaData": "x" * 16_385}, "parameter_too_long"),
        ({"streamName": "x" * 513}, "parameter_too_long"),
    ],
)
def test_nobody_publishes_what_nobody_would_see(fields: dict[str, Any], definition: str) -> None:
    assert definitions(Talk().send("publish", streamId="s1", **fields)) == [definition]


@pytest.mark.parametrize("fields", [{"mainTrack": ""}, {"mainTrack": None}, {"video": True, "audio": False}, {}])
def test_a_stream_by_itself_is_published(fields: dict[str, Any]) -> None:
    assert definitions(Talk().send("publish", streamId="s1", **fields)) == ["start"]


@pytest.mark.parametrize(
    ("fields", "definition"),
    [
        ({"room": "s1"}, "conference_rooms_not_supported"),
        ({"trackList": ["s1", "other"]}, "track_not_found"),
        ({"viewerInfo": "x" * 16_385}, "parameter_too_long"),
    ],
)
def test_nobody_plays_what_is_not_there(fields: dict[str, Any], definition: str) -> None:
    assert definitions(Talk().send("play", streamId="s1", **fields)) == [definition]


@pytest.mark.parametrize("tracks", [[], ["s1"], ["ARDAMSvs1"], ["!other"], ["", 5, None], "s1", {"s1": 1}])
def test_the_track_of_a_stream_is_played(tracks: object) -> None:
    talk = Talk()
    effects = talk.send("play", streamId="s1", room="", trackList=tracks)

    assert definitions(effects) == []
    assert effects


def test_a_viewer_may_begin_with_nothing_and_enable_its_track_later() -> None:
    talk = Talk()
    talk.send("play", streamId="s1", disableTracksByDefault=True)
    (session,) = [slot.session for slot in talk.conversation._slots.all()]
    begun = talk.connects(session)
    enabled = talk.send("enableTrack", streamId="s1", trackId="s1", enabled=True)
    disabled = talk.send("enableTrack", streamId="s1", trackId="ARDAMSas1", enabled=False)

    def mutes(on: bool) -> list[Effect]:
        return [Mute(session=session, node=EDGE, kind=kind, enabled=on) for kind in MediaKind]

    assert [effect for effect in begun if isinstance(effect, Mute)] == mutes(False)
    assert (enabled, disabled) == (mutes(True), mutes(False))


@pytest.mark.parametrize("command", ["enableTrack", "toggleVideo", "toggleAudio", "forceStreamQuality"])
def test_a_wish_about_a_track_that_is_not_there_is_refused(command: str) -> None:
    frame = only_frame(Talk().send(command, streamId="s1", trackId="other", enabled=False, streamHeight=0))

    assert frame["definition"] == "track_not_found"


@pytest.mark.parametrize(
    ("code", "heard"),
    [
        (ErrorCode.HIGH_RESOURCE_USAGE, ["highResourceUsage"]),
        (ErrorCode.UNKNOWN_SESSION, []),
        (ErrorCode.NO_NODE_AVAILABLE, []),
    ],
)
def test_a_client_hears_that_its_edge_was_not_told_unless_the_next_one_is(code: ErrorCode, heard: list[str]) -> None:
    talk = Talk()
    session = talk.running()

    assert definitions(talk.conversation.wishes.refused(session, RillcastError(code, "no"))) == heard


@pytest.mark.parametrize("command", sorted(QUESTIONS))
def test_a_question_is_answered_with_the_stream_it_is_about(command: str) -> None:
    assert only_frame(Talk().send(command, streamId=STREAM))["streamId"] == STREAM
