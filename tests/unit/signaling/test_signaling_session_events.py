"""What a client is told about one of its sessions, in each phase of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.domain.identity import Credentials
from services.signaling.websocket.domain import session_events
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot

SESSION = SessionId("p1")


def slot(role: Role = Role.PLAY, phase: Phase = Phase.RUNNING, **fields: Any) -> Slot:
    return Slot(
        role=role,
        stream=StreamId("s1"),
        session=SESSION,
        asked_at=0.0,
        phase=phase,
        credentials=Credentials(subscriber_id="me"),
        **fields,
    )


def definitions(frames: list[str]) -> list[str]:
    return [json.loads(frame)["definition"] for frame in frames]


def figures(**fields: Any) -> SessionChanged:
    return SessionChanged(session=SESSION, node=NodeId("edge-1"), **fields)


@pytest.mark.parametrize("state", [None, *SessionState])
def test_a_publisher_starts_with_its_media_and_a_viewer_as_soon_as_it_is_connected(state: SessionState | None) -> None:
    assert session_events.starts(Role.PUBLISH, state) == (state is SessionState.MEDIA)
    assert session_events.starts(Role.PLAY, state) == (state in (SessionState.CONNECTED, SessionState.MEDIA))


def test_who_took_its_own_stream_over_hears_so_after_the_start() -> None:
    assert definitions(session_events.starting(slot(Role.PUBLISH))) == ["publish_started"]
    assert definitions(session_events.starting(slot(Role.PUBLISH, restored=True))) == [
        "publish_started",
        "session_restored",
    ]


@pytest.mark.parametrize("reason", EndReason)
@pytest.mark.parametrize("role", Role)
def test_who_was_told_that_it_runs_is_told_that_it_is_over_whatever_the_reason(role: Role, reason: EndReason) -> None:
    frames = session_events.closing(slot(role), reason)

    assert definitions(frames)[-1] == ("publish_finished" if role is Role.PUBLISH else "play_finished")
    assert json.loads(frames[-1])["subscriberId"] == "me"


@pytest.mark.parametrize("reason", EndReason)
@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.RUNNING])
def test_who_was_never_told_that_it_runs_hears_one_thing(phase: Phase, reason: EndReason) -> None:
    assert len(session_events.closing(slot(phase=phase), reason)) == 1


@pytest.mark.parametrize("reason", [EndReason.ICE_TIMEOUT, EndReason.NO_MEDIA])
def test_a_viewer_that_is_moved_runs_as_far_as_it_knows(reason: EndReason) -> None:
    frames = session_events.closing(slot(phase=Phase.CONNECTING, moving=True), reason)

    assert definitions(frames) == ["publishTimeoutError", "play_finished"]


def test_a_viewer_whose_codec_the_stream_has_no_more_is_told_why_its_picture_is_gone() -> None:
    frames = session_events.closing(slot(), EndReason.CODEC_CHANGED)

    assert definitions(frames) == ["no_codec_enabled_in_the_server", "play_finished"]


def test_only_a_true_change_of_the_rendition_is_told() -> None:
    viewer = slot()

    told = [session_events.measured(viewer, figures(stream_height=height)) for height in (720, 720, 360, 360)]

    assert [definitions(frames) for frames in told] == [[], [], ["resolutionChangeInfo"], []]
    assert json.loads(told[2][0])["streamHeight"] == 360


def test_the_height_of_a_subscription_is_told_for_the_stream_that_was_asked_for() -> None:
    viewer = slot()

    told = [
        session_events.measured(viewer, figures(subscription=place, stream_height=height))
        for place, height in ((0, 720), (1, 360), (0, 480))
    ]

    assert [definitions(frames) for frames in told] == [[], [], ["resolutionChangeInfo"]]
    assert json.loads(told[2][0])["streamHeight"] == 480


def test_bitrates_are_told_together() -> None:
    (frame,) = session_events.measured(
        slot(), figures(target_bitrate_bps=900, video_bitrate_bps=800, audio_bitrate_bps=60)
    )
    told = json.loads(frame)

    assert (told["targetBitrate"], told["videoBitrate"], told["audioBitrate"]) == (900, 800, 60)
    assert session_events.measured(slot(), figures()) == []


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (EndReason.ICE_TIMEOUT, "publishTimeoutError"),
        (EndReason.HANDSHAKE_TIMEOUT, "publishTimeoutError"),
        (EndReason.DTLS_FAILED, "notSetRemoteDescription"),
        (EndReason.FINGERPRINT_MISMATCH, "notSetRemoteDescription"),
        (EndReason.TOO_MANY_HALF_OPEN, "highResourceUsage"),
    ],
)
def test_a_connection_that_never_came_about_is_an_error_whoever_noticed(reason: EndReason, error: str) -> None:
    assert definitions(session_events.closing(slot(phase=Phase.CONNECTING), reason)) == [error]
    assert definitions(session_events.closing(slot(), reason)) == ["play_finished"]
