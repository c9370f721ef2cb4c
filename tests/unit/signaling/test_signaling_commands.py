"""Every command in every phase of a session has a stated result: the tables below, held against the conversation.

The words of the tables are: *taken*, where there is nothing to say (a wish or an early offer that is kept, a candidate,
a `stop` of nothing); *ignored*, where the frame is counted as out of place, which Ant Media meets with silence; *asks*,
*opens*, *restarts* (ICE), *hands_over*, *to_edge*, *to_origin*, *noted* and *off_list* (of those who wait) for what is
asked of the cluster; otherwise a word for the frame that the client gets (`WORDS`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import EndReason, SessionState
from services.signaling.websocket.domain.conversation import SERVED
from services.signaling.websocket.domain.effects import (
    Accept,
    Admit,
    Describe,
    Effect,
    FirstFrame,
    Mute,
    OpenPublisher,
    OpenViewer,
    Reoffer,
    Select,
    StopWaiting,
)
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.starting_anew import TWICE_S
from tests.unit.signaling.talk import Talk, definitions

VIEWER = """
    command             none     waiting   admitting  opening   answer_wanted  connecting  running   moving    given_up
    publish             asks     asks      asks       asks      asks           asks        asks      asks      asks
    play_otherwise      asks     asks      asks       asks      asks           asks        asks      asks      asks
    play                asks     asks      again      again     again          again       again     again     asks
    play_later          asks     asks      again      opens     opens          opens       opens     opens     asks
    stop                taken    off_list  finished   finished  finished       finished    finished  finished  taken
    updateStreamMetaData not_mine not_mine not_mine   not_mine  not_mine       not_mine    not_mine  not_mine  not_mine
    offer               ignored  ignored   refused    refused   refused        refused     refused   refused   ignored
    answer              ignored  ignored   ignored    ignored   hands_over     ignored     ignored   ignored   ignored
    takeCandidate       ignored  ignored   taken      taken     taken          taken       taken     taken     ignored
    forceStreamQuality  taken    taken     taken      taken     taken          taken       to_edge   taken     taken
    toggleVideo         taken    taken     taken      taken     taken          taken       to_edge   taken     taken
    toggleAudio         taken    taken     taken      taken     taken          taken       to_edge   taken     taken
    firstFrame          ignored  ignored   noted      noted     noted          noted       noted     noted     ignored
    getStreamInfo       shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getStreamInfoList   shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getBroadcastObject  shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getTrackList        shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getSubtracks        shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getSubtracksCount   shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getSubscriberCount  shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getSubscribers      shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getDebugInfo        shown    unknown   shown      shown     shown          shown       shown     shown     shown
    getIceServerConfig  shown    shown     shown      shown     shown          shown       shown     shown     shown
    ping                shown    shown     shown      shown     shown          shown       shown     shown     shown
    enableTrack         taken    taken     taken      taken     taken          taken       to_edge   taken     taken
    joinRoom            no_room  no_room   no_room    no_room   no_room        no_room     no_room   no_room   no_room
    never_heard_of      ignored  ignored   ignored    ignored   ignored        ignored     ignored   ignored   ignored
"""

PUBLISHER = """
    command             none     admitting  offer_wanted  opening   connecting  running   given_up
    publish             asks     again      again         again     again       again     asks
    publish_later       asks     again      begins        begins    begins      begins    asks
    publish_otherwise   asks     asks       asks          asks      asks        asks      asks
    play                asks     asks       asks          asks      asks        asks      asks
    stop                taken    finished   finished      finished  finished    finished  taken
    updateStreamMetaData not_mine taken     taken         taken     taken       to_origin not_mine
    offer               ignored  taken      opens         refused   restarts    restarts  ignored
    offer_of_another    ignored  taken      opens         opens     opens       opens     ignored
    answer              ignored  ignored    ignored       ignored   ignored     ignored   ignored
    takeCandidate       ignored  taken      taken         taken     taken       taken     ignored
    forceStreamQuality  taken    taken      taken         taken     taken       taken     taken
    toggleVideo         taken    taken      taken         taken     taken       taken     taken
    toggleAudio         taken    taken      taken         taken     taken       taken     taken
    firstFrame          ignored  ignored    ignored       ignored   ignored     ignored   ignored
    getStreamInfo       shown    shown      shown         shown     shown       shown     shown
    getStreamInfoList   shown    shown      shown         shown     shown       shown     shown
    getBroadcastObject  shown    shown      shown         shown     shown       shown     shown
    getTrackList        shown    shown      shown         shown     shown       shown     shown
    getSubtracks        shown    shown      shown         shown     shown       shown     shown
    getSubtracksCount   shown    shown      shown         shown     shown       shown     shown
    getSubscriberCount  shown    shown      shown         shown     shown       shown     shown
    getSubscribers      shown    shown      shown         shown     shown       shown     shown
    getDebugInfo        shown    shown      shown         shown     shown       shown     shown
    getIceServerConfig  shown    shown      shown         shown     shown       shown     shown
    ping                shown    shown      shown         shown     shown       shown     shown
    enableTrack         taken    taken      taken         taken     taken       taken     taken
    joinRoom            no_room  no_room    no_room       no_room   no_room     no_room   no_room
    never_heard_of      ignored  ignored    ignored       ignored   ignored     ignored   ignored
"""

SDP = "v=0\r\na=fingerprint:sha-256 AA\r\n"
"""Of the client's first peer connection."""
FRAMES: dict[str, dict[str, object]] = {
    "play_later": {"command": "play"},
    "play_otherwise": {"command": "play", "token": "another"},
    "publish_later": {"command": "publish"},
    "publish_otherwise": {"command": "publish", "token": "another"},
    "offer": {"command": "takeConfiguration", "type": "offer", "sdp": SDP},
    "offer_of_another": {"command": "takeConfiguration", "type": "offer", "sdp": SDP.replace("AA", "BB")},
    "answer": {"command": "takeConfiguration", "type": "answer", "sdp": SDP},
    "takeCandidate": {"candidate": "", "label": 0, "id": "0"},
    "forceStreamQuality": {"streamHeight": 360},
    "toggleVideo": {"enabled": False},
    "toggleAudio": {"enabled": False},
    "firstFrame": {"firstFrameMs": 321},
    "enableTrack": {"enabled": False},
    "joinRoom": {"room": "r1"},
    "updateStreamMetaData": {"metaData": "new"},
}
WORDS = {
    "already_playing": "again",
    "already_publishing": "again",
    "play_finished": "finished",
    "publish_finished": "finished",
    "notSetRemoteDescription": "refused",
    "unauthorized_access": "not_mine",
    "no_stream_exist": "unknown",
    "streamInformation": "shown",
    "broadcastObject": "shown",
    "subscriberCount": "shown",
    "subscriberList": "shown",
    "subtrackCount": "shown",
    "subtrackList": "shown",
    "trackList": "shown",
    "debugInfo": "shown",
    "conference_rooms_not_supported": "no_room",
    "iceServerConfig": "shown",
    "pong": "shown",
    "start": "begins",
}
ASKED_OF_THE_CLUSTER: dict[type[Effect], str] = {
    Admit: "asks",
    OpenPublisher: "opens",
    OpenViewer: "opens",
    Reoffer: "restarts",
    Accept: "hands_over",
    Select: "to_edge",
    Mute: "to_edge",
    Describe: "to_origin",
    StopWaiting: "off_list",
    FirstFrame: "noted",
}
S1 = StreamId("s1")
LATER = StreamId("later")
"""A stream that is not live yet."""


def rows(table: str) -> list[tuple[str, str, str]]:
    """The command, the phase and the word of every cell."""
    header, *lines = (line.split() for line in table.strip().splitlines())
    return [(line[0], phase, word) for line in lines for phase, word in zip(header[1:], line[1:], strict=True)]


def viewer(talk: Talk, phase: str) -> StreamId:
    """Bring a viewer so far. Its stream."""
    if phase == "none":
        return S1
    if phase == "waiting":
        talk.send("play", streamId=LATER)
        return LATER
    if phase == "admitting":
        talk.asks = True
        talk.send("play", streamId=S1)
        return S1
    session = talk.opening()
    steps: dict[str, Callable[[], object]] = {
        "opening": lambda: None,
        "answer_wanted": lambda: talk.opened(session),
        "connecting": lambda: talk.send("takeConfiguration", streamId=S1, type="answer", sdp=SDP),
        "running": lambda: talk.changed(session, SessionState.CONNECTED),
        "moving": lambda: talk.changed(session, SessionState.CLOSED, reason=EndReason.DRAINING),
    }
    return go_on(talk, steps, phase)


def publisher(talk: Talk, phase: str) -> StreamId:
    """Bring a publisher so far. Its stream."""
    if phase == "none":
        return S1
    if phase in ("admitting", "offer_wanted"):
        talk.asks = phase == "admitting"
        talk.send("publish", streamId=S1)
        return S1
    session = talk.offering(SDP)
    steps: dict[str, Callable[[], object]] = {
        "opening": lambda: None,
        "connecting": lambda: talk.opened(session),
        "running": lambda: talk.changed(session, SessionState.MEDIA),
    }
    return go_on(talk, steps, phase)


def go_on(talk: Talk, steps: dict[str, Callable[[], object]], phase: str) -> StreamId:
    if phase == "given_up":
        talk.send("stop", streamId=S1)
        return S1
    for name, step in steps.items():
        step()
        if name == phase:
            return S1
    raise AssertionError(f"no step leads to {phase}")


def result(talk: Talk, command: str, stream: StreamId) -> str:
    """The word for what a command brings."""
    talk.asks, counted = True, len(talk.tally.refused)
    fields = {"command": command, "streamId": stream, "trackId": stream} | FRAMES.get(command, {})
    now = TWICE_S if command.endswith("_later") else 0.0
    effects = talk.conversation.receive(msgspec.json.encode(fields).decode(), now)
    asked = list({ASKED_OF_THE_CLUSTER[type(effect)] for effect in effects if type(effect) in ASKED_OF_THE_CLUSTER})
    told = [WORDS[definition] for definition in definitions(effects)]
    if asked or told:
        assert len(asked + told) == 1
        return (asked + told)[0]
    return "ignored" if len(talk.tally.refused) > counted else "taken"


@pytest.mark.parametrize(("command", "phase", "expected"), rows(VIEWER))
def test_every_command_in_every_phase_of_a_viewer(command: str, phase: str, expected: str) -> None:
    talk = Talk()
    stream = viewer(talk, phase)

    assert result(talk, command, stream) == expected


@pytest.mark.parametrize(("command", "phase", "expected"), rows(PUBLISHER))
def test_every_command_in_every_phase_of_a_publisher(command: str, phase: str, expected: str) -> None:
    talk = Talk()
    stream = publisher(talk, phase)

    assert result(talk, command, stream) == expected


@pytest.mark.parametrize("table", [VIEWER, PUBLISHER])
def test_the_tables_name_every_command_that_is_served(table: str) -> None:
    commands = {str(FRAMES.get(command, {}).get("command", command)) for command, _, _ in rows(table)}

    assert commands == SERVED | {"ping", "getIceServerConfig", "joinRoom", "never_heard_of"}


def test_the_tables_name_every_phase() -> None:
    phases = {phase for table in (VIEWER, PUBLISHER) for _, phase, _ in rows(table)}

    assert {phase.value for phase in Phase} - {"over"} == phases - {"none", "waiting", "moving"}
