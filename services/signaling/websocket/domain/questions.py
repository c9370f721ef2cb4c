"""Commands about a live stream or a running viewer that open and close nothing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.words import MediaKind
from services.signaling.core.domain import stream_info
from services.signaling.core.ports import Audience, Broadcasts, Streams, Tally
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Mute, Select, Send
from services.signaling.websocket.domain.frames import ClientFrame, flag, height
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot

QUESTIONS = frozenset(
    {"getStreamInfo", "getBroadcastObject", "getSubscriberCount", "forceStreamQuality", "toggleVideo", "toggleAudio"}
)
UNKNOWN_HEIGHT = -1


class Questions:
    """Answers them. One per signaling instance.

    An edge can force a height or mute only what runs, so both are remembered, and told to the edge when the session
    starts there (`Sessions`): after the offer as well as after a move to another edge.
    """

    def __init__(
        self,
        streams: Streams,
        broadcasts: Broadcasts,
        audience: Audience,
        tally: Tally,
        address_of: Callable[[NodeId], str],
    ) -> None:
        """`address_of`: a node's address, for ``originAdress``."""
        self._streams = streams
        self._broadcasts = broadcasts
        self._audience = audience
        self._tally = tally
        self._address_of = address_of

    def answer(
        self, command: str, frame: ClientFrame, app: AppName, stream: StreamId, viewer: Slot | None
    ) -> list[Effect]:
        """`command` is one of `QUESTIONS`; `viewer`: this socket's session of that stream, if it plays it."""
        if command == "forceStreamQuality":
            return self._quality(frame, viewer)
        if command in ("toggleVideo", "toggleAudio"):
            return self._toggle(frame, viewer, MediaKind.VIDEO if command == "toggleVideo" else MediaKind.AUDIO)
        live = self._streams.live(app, stream)
        if live is None:
            return [Send(replies.no_stream_info(stream))]
        return [Send(self._about(command, live, app, stream))]

    def _about(self, command: str, live: LiveStream, app: AppName, stream: StreamId) -> str:
        if command == "getStreamInfo":
            renditions = msgspec.to_builtins(stream_info.renditions(live))
            return replies.frame("streamInformation", streamId=stream, streamInfo=renditions)
        viewers = self._audience.viewers(app, stream)
        if command == "getSubscriberCount":
            return replies.notification("subscriberCount", stream, count=viewers)
        settings = self._broadcasts.get(app, stream)
        shown = stream_info.broadcast(live, viewers, self._address_of(live.record.owner), settings)
        return replies.notification("broadcastObject", stream, broadcast=msgspec.json.encode(shown).decode())

    def _quality(self, frame: ClientFrame, viewer: Slot | None) -> list[Effect]:
        wanted = height(frame.stream_height)
        if viewer is None or wanted is None:
            self._tally.refused_input("bad_stream_height" if wanted is None else "not_playing")
            return []
        viewer.wishes.height = wanted
        if viewer.height is None:
            viewer.height = UNKNOWN_HEIGHT
        if viewer.phase is not Phase.RUNNING or viewer.node is None:
            return []
        return [Select(session=viewer.session, node=viewer.node, height=wanted)]

    def _toggle(self, frame: ClientFrame, viewer: Slot | None, kind: MediaKind) -> list[Effect]:
        enabled = flag(frame.enabled)
        if viewer is None or enabled is None:
            self._tally.refused_input("bad_toggle" if enabled is None else "not_playing")
            return []
        (viewer.wishes.muted.discard if enabled else viewer.wishes.muted.add)(kind)
        if viewer.phase is not Phase.RUNNING or viewer.node is None:
            return []
        return [Mute(session=viewer.session, node=viewer.node, kind=kind, enabled=enabled)]
