"""Every command of Ant Media's protocol: what it does here, and what its client hears. `docs/reference/websocket.md` is
written from this table, and tests hold it against what is served."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rillcast.contracts.errors import ErrorCode


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may expect of one command."""

    command: str
    fields: str = ""
    """What it says besides ``command`` and ``streamId``, as far as it is read."""
    does: str
    """A sentence; empty where the command is refused."""
    answer: str
    """What the client hears when it is served, or why it hears nothing."""
    refusals: Mapping[ErrorCode, str] = {}
    """Each with the cases."""
    needs_stream: bool = True
    """Whether it is refused where ``streamId`` is missing."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Commands that belong together."""

    title: str
    about: str
    rows: tuple[Row, ...]


_LET_IN = {
    ErrorCode.UNAUTHORIZED: "the token, hash, JWT or code is missing or wrong, or a webhook says no",
    ErrorCode.USER_BLOCKED: "an operator has blocked the subscriber",
    ErrorCode.HIGH_RESOURCE_USAGE: "a limit of the socket, of the address or of the cluster is reached",
    ErrorCode.LICENSE_SUSPENDED: "the license has ended, and its grace time too",
    ErrorCode.STORE_UNAVAILABLE: "the store, which must be asked, does not answer",
    ErrorCode.PARAMETER_TOO_LONG: "a text is longer than what is kept of it",
}
_NOT_LIVE = {
    ErrorCode.NO_STREAM_EXIST: "the stream is not live",
    ErrorCode.UNAUTHORIZED: "the app asks viewers for something, and the client may not play the stream",
}
_NOT_THERE = {
    ErrorCode.NO_STREAM_EXIST: "the stream is not live, and no broadcast was created for it",
    ErrorCode.UNAUTHORIZED: _NOT_LIVE[ErrorCode.UNAUTHORIZED],
}
_OF_TRACKS = {
    ErrorCode.MISSING_PARAMETER: "a field is missing, or says nothing that can be meant",
    ErrorCode.NO_SUCH_TRACK: "``trackId`` is neither the stream's id nor that id after ``ARDAMSv`` or ``ARDAMSa``",
    ErrorCode.HIGH_RESOURCE_USAGE: "the client's address changes its sessions too often",
}
_NO_ROOMS = {
    ErrorCode.NO_ROOM_NAMED: "neither ``room`` nor ``mainTrack`` names one",
    ErrorCode.ROOMS_NOT_SUPPORTED: "otherwise",
}
_KEPT = "Nothing by itself. Before the stream is played here, the wish is kept for it."
_SESSION = Part(
    title="Sessions",
    about="A second ``publish`` or ``play`` of a stream begins it anew.",
    rows=(
        Row(
            command="publish",
            fields="token, subscriberId, subscriberCode, streamName, metaData, video, audio, mainTrack",
            does="Asks whether the client may publish the stream.",
            answer="``start``; after its offer ``takeConfiguration``; ``publish_started`` when its media has come.",
            refusals={
                **_LET_IN,
                ErrorCode.ALREADY_PUBLISHING: "the socket has asked for the same within a second",
                ErrorCode.STREAM_ID_IN_USE: "somebody else publishes the stream",
                ErrorCode.NOT_ALLOWED_UNREGISTERED: "the app takes only streams that were created before",
                ErrorCode.STREAM_NOT_ACTIVE: "it is not the time of the stream",
                ErrorCode.NO_COMMON_CODEC: "a kind of media comes in no codec that is taken",
                ErrorCode.BAD_REMOTE_DESCRIPTION: "the offer cannot be taken",
                ErrorCode.PUBLISH_TIMEOUT: "no offer, no connection or no media came in time",
                ErrorCode.ROOMS_NOT_SUPPORTED: "``mainTrack`` names a room",
                ErrorCode.DATA_CHANNELS_NOT_SUPPORTED: "``video`` and ``audio`` are both false",
            },
        ),
        Row(
            command="play",
            fields="token, subscriberId, subscriberCode, viewerInfo, room, trackList, disableTracksByDefault",
            does="Asks whether the client may play the stream, and opens a session at an edge. With "
            "``disableTracksByDefault`` nothing is sent before it is enabled.",
            answer="``takeConfiguration`` with an offer; after the client's answer ``play_started``, then "
            "``bitrateMeasurement`` and ``resolutionChangeInfo``.",
            refusals={
                **_LET_IN,
                ErrorCode.ALREADY_PLAYING: "the socket has asked for the same within a second",
                ErrorCode.NO_STREAM_EXIST: "the stream is not live; ``streaming_started`` follows when it is",
                ErrorCode.VIEWER_LIMIT_REACHED: "the app or the stream has as many viewers as it may",
                ErrorCode.NO_COMMON_CODEC: "the client decodes no codec of the stream",
                ErrorCode.PUBLISH_TIMEOUT: "no answer or no connection came in time",
                ErrorCode.ROOMS_NOT_SUPPORTED: "``room`` is the stream itself, which is how a room is played",
                ErrorCode.NO_SUCH_TRACK: "``trackList`` wants a track that the stream does not have",
            },
        ),
        Row(
            command="updateStreamMetaData",
            fields="metaData",
            does="Changes the meta data of a stream that the socket publishes. REST and ``broadcastObject`` show it.",
            answer="Nothing.",
            refusals={
                ErrorCode.UNAUTHORIZED: "the socket does not publish the stream",
                ErrorCode.MISSING_PARAMETER: "``metaData`` is missing",
                ErrorCode.PARAMETER_TOO_LONG: "it has more than 16384 characters",
                ErrorCode.HIGH_RESOURCE_USAGE: "the client's address changes its sessions too often",
                ErrorCode.NO_NODE_AVAILABLE: "the origin does not answer; sent as ``highResourceUsage``",
            },
        ),
        Row(
            command="takeConfiguration",
            fields="type, sdp, tellsFirstFrame",
            does="Takes the client's offer or answer. A publisher's second offer restarts ICE.",
            answer="``takeConfiguration`` with the answer to an offer. Nothing, and counted, where no session waits "
            "for it: descriptions cross each other on their way.",
            refusals={
                ErrorCode.BAD_REMOTE_DESCRIPTION: "it cannot be taken, or cannot be taken now",
            },
        ),
        Row(
            command="takeCandidate",
            fields="candidate",
            does="Nothing more: the node learns addresses from the checks that arrive.",
            answer="Nothing.",
        ),
        Row(
            command="firstFrame",
            fields="firstFrameMs",
            does="Tells that the first picture of the stream is shown, and how many milliseconds after the wish to "
            "watch. The trace of the join ends with it, if the client's answer said ``tellsFirstFrame``. What cannot "
            "be is corrected.",
            answer="Nothing. Counted, where the socket does not play the stream.",
            refusals={ErrorCode.MISSING_PARAMETER: "``firstFrameMs`` is missing, negative or no number"},
        ),
        Row(
            command="stop",
            does="Ends what the socket has of the stream: publishing, playing, waiting for it.",
            answer="``publish_finished`` or ``play_finished``. Nothing where there was nothing to end, or a wait: SDKs "
            "send it before each try.",
        ),
    ),
)
_WISHES = Part(
    title="Wishes about what is sent",
    about="They are told to the viewer's edge, and again to the next one when the viewer moves.",
    rows=(
        Row(
            command="forceStreamQuality",
            fields="streamHeight, trackId",
            does="Has the rendition of that height sent, else the highest below it; 0 or ``auto`` leaves it to "
            "the edge.",
            answer=f"``resolutionChangeInfo`` when another height is sent. {_KEPT}",
            refusals=_OF_TRACKS,
        ),
        Row(
            command="toggleVideo",
            fields="trackId, enabled",
            does="Stops or resumes the video.",
            answer=_KEPT,
            refusals=_OF_TRACKS,
        ),
        Row(
            command="toggleAudio",
            fields="trackId, enabled",
            does="Stops or resumes the sound.",
            answer=_KEPT,
            refusals=_OF_TRACKS,
        ),
        Row(
            command="enableTrack",
            fields="trackId, enabled",
            does="Stops or resumes video and sound.",
            answer=_KEPT,
            refusals=_OF_TRACKS,
        ),
    ),
)
_ASKED = Part(
    title="Questions about a stream",
    about="They are answered to those who may play the stream: to everybody where the app asks viewers for nothing.",
    rows=(
        Row(
            command="getStreamInfo",
            does="Tells the renditions, each height once. If the size of the stream, or a rung of its ladder, is not "
            "known yet, the answer waits for it, 3 s at most.",
            answer="``streamInformation``.",
            refusals=_NOT_LIVE,
        ),
        Row(
            command="getStreamInfoList",
            does="The same, under a name that old pages use.",
            answer="``streamInformation``.",
            refusals=_NOT_LIVE,
        ),
        Row(
            command="getBroadcastObject",
            does="Tells what REST tells of the broadcast, but no passwords and no addresses of servers, and "
            "``subTrackStreamIds`` besides, which one page of Ant Media's reads.",
            answer="``broadcastObject``.",
            refusals=_NOT_THERE,
        ),
        Row(
            command="getTrackList",
            does="Tells the track of the stream, whose id is that of the stream.",
            answer="``trackList``.",
            refusals=_NOT_LIVE,
        ),
        Row(
            command="getSubtracks",
            fields="role, status, search, sortBy, orderBy, offset, size",
            does="Tells the broadcasts that name this one as their ``mainTrackStreamId``, 250 at most at a time, and "
            "no more than fit into 192 KiB.",
            answer="``subtrackList``, texts of JSON.",
            refusals=_NOT_THERE,
        ),
        Row(
            command="getSubtracksCount",
            fields="role, status, search",
            does="Tells how many of them there are.",
            answer="``subtrackCount``.",
            refusals=_NOT_THERE,
        ),
        Row(
            command="getSubscriberCount",
            does="Tells how many watch the stream, in the whole cluster.",
            answer="``subscriberCount``.",
            refusals=_NOT_THERE,
        ),
        Row(
            command="getSubscribers",
            fields="offset, size",
            does="Tells the subscribers that REST lists for the stream, 250 at most at a time.",
            answer="``subscriberList``.",
            refusals=_NOT_THERE,
        ),
        Row(
            command="getDebugInfo",
            does="Tells the tracks of the stream with their codecs, sizes and bit rates, and how many watch.",
            answer="``debugInfo``, a text of JSON.",
            refusals=_NOT_LIVE,
        ),
    ),
)
_SOCKET = Part(
    title="The socket",
    about="These need no stream.",
    rows=(
        Row(command="ping", does="Nothing.", answer="``pong``.", needs_stream=False),
        Row(
            command="getIceServerConfig",
            does="Tells the app's STUN or TURN server. A TURN server is told once the client was let in, where "
            "everybody must be; then it is told again by itself.",
            answer="``iceServerConfig``.",
            needs_stream=False,
        ),
    ),
)
_ROOMS = Part(
    title="Conference rooms",
    about="They are not there. Nobody is let into one, to see himself alone.",
    rows=(
        Row(
            command="joinRoom",
            fields="room, mainTrack",
            does="",
            answer="An error.",
            refusals=_NO_ROOMS,
        ),
        Row(command="leaveFromRoom", fields="room, mainTrack", does="", answer="An error.", refusals=_NO_ROOMS),
        Row(
            command="getRoomInfo",
            fields="room, mainTrack",
            does="",
            answer="An error.",
            refusals={
                ErrorCode.NO_ROOM_NAMED: _NO_ROOMS[ErrorCode.NO_ROOM_NAMED],
                ErrorCode.NO_STREAMS_IN_ROOM: "otherwise",
            },
        ),
        *(
            Row(command=name, does="", answer="An error.", refusals={ErrorCode.ROOMS_NOT_SUPPORTED: "always"})
            for name in (
                "getVideoTrackAssignmentsCommand",
                "assignVideoTrackCommand",
                "updateVideoTrackAssignmentsCommand",
                "setMaxVideoTrackCountCommand",
            )
        ),
    ),
)
_OTHERS = Part(
    title="Other things that are not there",
    about="Calls between two clients, push notifications, and relays of signaling.",
    rows=(
        Row(command="join", does="", answer="An error.", refusals={ErrorCode.PEER_TO_PEER_NOT_SUPPORTED: "always"}),
        Row(command="leave", does="", answer="An error.", refusals={ErrorCode.PEER_TO_PEER_NOT_SUPPORTED: "always"}),
        Row(
            command="peerMessageCommand",
            does="",
            answer="An error.",
            refusals={ErrorCode.NO_PEER: "always"},
        ),
        *(
            Row(
                command=name,
                does="",
                answer=f"The notification ``{name}`` with ``success: false`` and the reason in ``information``.",
            )
            for name in ("registerPushNotificationToken", "sendPushNotification")
        ),
        *(
            Row(
                command=name,
                does="",
                answer="An error.",
                refusals={ErrorCode.UNAUTHORIZED: "always: nodes find each other without clients' sockets"},
            )
            for name in ("registerOriginServer", "registerEdgeServer", "registerBroadcast", "startNewP2PConnection")
        ),
    ),
)
PARTS = (_SESSION, _WISHES, _ASKED, _SOCKET, _ROOMS, _OTHERS)
ROWS: Mapping[str, Row] = {row.command: row for part in PARTS for row in part.rows}
"""By the name of the command."""
