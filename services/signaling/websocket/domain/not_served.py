"""Commands for what is not there: rooms, calls between two clients, push notifications, nodes that register.

Each is refused in words. Ant Media's pages show their user the ``definition`` of an error as it is, so it says by
itself what is wrong. Nobody is let in who would then see himself alone.
"""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import StreamId
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.frames import ClientFrame, flag, is_named, text

MAX_ROOM = 255
"""A longer name of a room is not sent back."""
TRACK_PREFIXES = ("", "ARDAMSv", "ARDAMSa")
"""Before the id of a stream where its description names a track."""
_IN_ROOMS = frozenset({"joinRoom", "leaveFromRoom", "getRoomInfo"})
_OF_ROOMS = frozenset(
    {
        "getVideoTrackAssignmentsCommand",
        "assignVideoTrackCommand",
        "updateVideoTrackAssignmentsCommand",
        "setMaxVideoTrackCountCommand",
    }
)
_OF_CALLS = frozenset({"join", "leave", "peerMessageCommand"})
_PUSH = frozenset({"registerPushNotificationToken", "sendPushNotification"})
_OF_NODES = frozenset({"registerOriginServer", "registerEdgeServer", "registerBroadcast", "startNewP2PConnection"})
NOT_SERVED = _IN_ROOMS | _OF_ROOMS | _OF_CALLS | _PUSH | _OF_NODES
_NO_ROOMS = "conference rooms are not served here"


def refuse(command: str, frame: ClientFrame, stream: str) -> tuple[str, str]:
    """The outcome as it is counted, and the frame that refuses. `command` is one of `NOT_SERVED`. `stream`: empty where
    the client named none."""
    if command in _PUSH:
        words = "push notifications are not served here"
        return "not_served", replies.frame("notification", success=False, definition=command, information=words)
    error, room = _refusal(command, frame), ""
    if command in _IN_ROOMS:
        room = room_of(frame)[:MAX_ROOM]
    return error.code.value, replies.error(error, stream, **({"room": room} if room else {}))


def room_of(frame: ClientFrame) -> str:
    """The room that a client names; empty where it names none."""
    return text(frame.room) or text(frame.main_track)


def _refusal(command: str, frame: ClientFrame) -> RillcastError:
    if command in _IN_ROOMS and not room_of(frame):
        return RillcastError(ErrorCode.NO_ROOM_NAMED, f"no room was named; {_NO_ROOMS}")
    if command == "getRoomInfo":
        return RillcastError(ErrorCode.NO_STREAMS_IN_ROOM, f"nobody is in this room: {_NO_ROOMS}")
    if command in _IN_ROOMS | _OF_ROOMS:
        return RillcastError(ErrorCode.ROOMS_NOT_SUPPORTED, _NO_ROOMS)
    if command == "peerMessageCommand":
        return RillcastError(ErrorCode.NO_PEER, "calls between two clients are not served here, so nobody has a peer")
    if command in _OF_CALLS:
        return RillcastError(ErrorCode.PEER_TO_PEER_NOT_SUPPORTED, "calls between two clients are not served here")
    return RillcastError(ErrorCode.UNAUTHORIZED, "nodes of the cluster do not register themselves by a client's socket")


def check_publish(frame: ClientFrame) -> None:
    """Whether a `publish` is for a stream by itself. Raises ROOMS_NOT_SUPPORTED, or DATA_CHANNELS_NOT_SUPPORTED for one
    that is to have neither video nor audio."""
    if is_named(frame.main_track):
        raise RillcastError(ErrorCode.ROOMS_NOT_SUPPORTED, f"no stream belongs to a main track, since {_NO_ROOMS}")
    if flag(frame.video) is False and flag(frame.audio) is False:
        words = "this publisher has neither video nor audio, and data channels are not served here"
        raise RillcastError(ErrorCode.DATA_CHANNELS_NOT_SUPPORTED, words)


def check_play(frame: ClientFrame, stream: StreamId) -> None:
    """Whether a `play` is for a stream by itself. Raises ROOMS_NOT_SUPPORTED where the stream is the room, and
    NO_SUCH_TRACK where tracks are wanted that a stream does not have."""
    if text(frame.room) == stream:
        raise RillcastError(ErrorCode.ROOMS_NOT_SUPPORTED, _NO_ROOMS)
    wanted = frame.track_list if isinstance(frame.track_list, list) else []
    for track in wanted:
        name = text(track)
        if name and not name.startswith("!"):
            check_track(name, stream)


def check_track(track: str, stream: StreamId) -> None:
    """Raises NO_SUCH_TRACK unless the track is the one that the stream has."""
    if not any(track == f"{prefix}{stream}" for prefix in TRACK_PREFIXES):
        raise RillcastError(ErrorCode.NO_SUCH_TRACK, "this stream has one track, whose id is that of the stream")
