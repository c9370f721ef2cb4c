"""What a viewer asks of its edge: when it is told to the edge, how long it holds, and how much of it is kept."""

from __future__ import annotations

from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, MediaKind, SessionState
from services.signaling.websocket.domain.effects import End, Mute, OpenViewer, Select, Send
from tests.unit.signaling.talk import EDGE, FULL, STREAM, Talk, definitions


def test_what_a_viewer_wishes_before_it_runs_is_told_to_the_edge_when_it_does() -> None:
    talk = Talk()
    session = talk.opening()
    for command, wish in (
        ("toggleVideo", {"enabled": False}),
        ("toggleAudio", {"enabled": False}),
        ("forceStreamQuality", {"streamHeight": 360}),
        ("toggleAudio", {"enabled": True}),
    ):
        assert talk.send(command, streamId="s1", **wish) == []
    talk.opened(session)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    effects = talk.changed(session, SessionState.CONNECTED)

    assert [effect for effect in effects if not isinstance(effect, Send)] == [
        Mute(session=session, node=EDGE, kind=MediaKind.VIDEO, enabled=False),
        Select(session=session, node=EDGE, height=360),
    ]


def test_a_viewer_that_moves_to_another_edge_keeps_its_forced_height_and_stays_muted() -> None:
    talk = Talk()
    former = talk.running()
    talk.send("toggleAudio", streamId="s1", enabled=False)
    talk.send("forceStreamQuality", streamId="s1", streamHeight="360")

    moved = talk.changed(former, SessionState.CLOSED, reason=EndReason.DRAINING)
    successor = next(effect.session for effect in moved if isinstance(effect, OpenViewer))
    talk.opened(successor)
    talk.send("takeConfiguration", streamId="s1", type="answer", sdp="v=0")

    assert talk.changed(successor, SessionState.CONNECTED) == [
        End(session=former, node=EDGE, reason=EndReason.REPLACED),
        Mute(session=successor, node=EDGE, kind=MediaKind.AUDIO, enabled=False),
        Select(session=successor, node=EDGE, height=360),
    ]


def test_wishes_for_a_stream_that_is_not_played_yet_are_told_to_its_edge_at_the_start() -> None:
    talk = Talk()
    assert talk.send("toggleVideo", streamId="s1", enabled=False) == []
    assert talk.send("forceStreamQuality", streamId="s1", streamHeight=360) == []
    session = talk.opening()

    effects = talk.connects(session)

    assert [effect for effect in effects if not isinstance(effect, Send)] == [
        Mute(session=session, node=EDGE, kind=MediaKind.VIDEO, enabled=False),
        Select(session=session, node=EDGE, height=360),
    ]
    assert talk.tally.refused == []


def test_a_wish_outlives_the_wait_for_its_stream_and_the_stops_of_the_sdk_meanwhile() -> None:
    talk = Talk()
    talk.not_live(STREAM)
    talk.send("play", streamId="s1")
    talk.send("toggleAudio", streamId="s1", enabled=False)
    for _ in range(3):
        talk.send("stop", streamId="s1")
        assert definitions(talk.send("play", streamId="s1")) == ["no_stream_exist"]
    talk.goes_live(STREAM)
    session = talk.opening()

    assert Mute(session=session, node=EDGE, kind=MediaKind.AUDIO, enabled=False) in talk.connects(session)


def test_a_wish_outlives_a_try_that_no_node_takes() -> None:
    talk = Talk()
    talk.send("forceStreamQuality", streamId="s1", streamHeight=360)
    talk.conversation.sessions.refused(talk.opening(), FULL)
    session = talk.opening()

    assert Select(session=session, node=EDGE, height=360) in talk.connects(session)


def test_a_wish_ends_with_the_session_to_which_it_applied() -> None:
    talk = Talk()
    talk.running()
    talk.send("toggleVideo", streamId="s1", enabled=False)
    talk.send("stop", streamId="s1")
    session = talk.opening()

    assert [type(effect) for effect in talk.connects(session)] == [Send]


def test_the_wishes_of_a_viewer_that_can_not_be_moved_end_with_it() -> None:
    talk = Talk()
    former = talk.running()
    talk.send("toggleVideo", streamId="s1", enabled=False)
    moved = talk.changed(former, SessionState.CLOSED, reason=EndReason.DRAINING)
    successor = next(effect.session for effect in moved if isinstance(effect, OpenViewer))
    talk.conversation.sessions.refused(successor, FULL)

    assert len(talk.conversation.wishes) == 0


def test_a_forced_height_is_told_when_it_is_reached_also_when_it_was_asked_for_early() -> None:
    talk = Talk()
    talk.send("forceStreamQuality", streamId="s1", streamHeight=360)
    session = talk.opening()
    talk.connects(session)

    told = talk.conversation.sessions.changed(SessionChanged(session=session, node=EDGE, stream_height=360), 0.0)

    assert definitions(told) == ["resolutionChangeInfo"]


def test_the_publisher_of_a_stream_is_told_nothing_of_a_viewers_wishes_for_it() -> None:
    talk = Talk()
    talk.send("toggleVideo", streamId="s1", enabled=False)
    session = talk.offering()
    talk.opened(session)

    assert definitions(effects := talk.changed(session, SessionState.MEDIA)) == ["publish_started"]
    assert len(effects) == 1


def test_a_wish_that_is_taken_back_is_forgotten() -> None:
    talk = Talk()
    for enabled, height in ((False, 360), (True, 0)):
        talk.send("toggleVideo", streamId="s1", enabled=enabled)
        talk.send("forceStreamQuality", streamId="s1", streamHeight=height)

    assert len(talk.conversation.wishes) == 0


def test_wishes_for_streams_that_are_not_played_are_bounded_and_the_oldest_goes_first() -> None:
    talk = Talk(max_streams=2)
    talk.running()
    for stream in ("s1", "other", "another", "s2"):
        talk.send("toggleVideo", streamId=stream, enabled=False)

    assert len(talk.conversation.wishes) == 3, "that of the stream it plays, and two more"
    assert talk.tally.refused == ["too_many_wishes"]
    session = talk.opening(stream="s2")
    assert Mute(session=session, node=EDGE, kind=MediaKind.VIDEO, enabled=False) in talk.connects(session, "s2")


def test_a_wish_that_makes_no_sense_is_refused_and_counted() -> None:
    talk = Talk()
    talk.running()

    assert definitions(talk.send("forceStreamQuality", streamId="s1", streamHeight="tall")) == ["missingParameter"]
    assert definitions(talk.send("toggleAudio", streamId="s1", enabled="perhaps")) == ["missingParameter"]
    assert talk.tally.refused == ["bad_stream_height", "bad_toggle"]
