"""Commands that ask about a live stream. They change nothing, and their answer is the same in every phase."""

from __future__ import annotations

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain import stream_info
from services.signaling.core.ports import Audience, Broadcasts, Streams
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Send

NO_ADDRESS = ""
"""``originAdress`` is where other nodes reach the origin. Clients have no business there."""
QUESTIONS = frozenset({"getStreamInfo", "getBroadcastObject", "getSubscriberCount"})


class Questions:
    """Answers them from memory. One per signaling instance."""

    def __init__(
        self,
        streams: Streams,
        broadcasts: Broadcasts,
        audience: Audience,
    ) -> None:
        self._streams = streams
        self._broadcasts = broadcasts
        self._audience = audience

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
        shown = stream_info.broadcast(live, viewers, NO_ADDRESS, settings)
        return replies.notification("broadcastObject", stream, broadcast=msgspec.json.encode(shown).decode())
