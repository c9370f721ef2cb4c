"""Commands that ask about a live stream. They change nothing, and their answer is the same in every phase."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, NodeId, StreamId
from services.signaling.core.domain import stream_info
from services.signaling.core.ports import Audience, Broadcasts, Streams
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Send

QUESTIONS = frozenset({"getStreamInfo", "getBroadcastObject", "getSubscriberCount"})


class Questions:
    """Answers them from memory. One per signaling instance."""

    def __init__(
        self,
        streams: Streams,
        broadcasts: Broadcasts,
        audience: Audience,
        address_of: Callable[[NodeId], str],
    ) -> None:
        """`address_of`: a node's address, for ``originAdress``."""
        self._streams = streams
        self._broadcasts = broadcasts
        self._audience = audience
        self._address_of = address_of

    def answer(self, command: str, app: AppName, stream: StreamId) -> list[Effect]:
        """The one frame that answers. `command` is one of `QUESTIONS`."""
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
