"""The streams one socket waits for, because they were not live when it asked."""

from __future__ import annotations

from rillcast.contracts.ids import StreamId
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, Send, StopWaiting, Wait


class StreamWaits:
    """Of one socket. At most `most` streams; of those beyond it the client is not told, and asks again by itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._streams: set[StreamId] = set()

    def __len__(self) -> int:
        """How many streams this socket waits for."""
        return len(self._streams)

    def waiting(self, stream: StreamId) -> bool:
        """Whether the client was let in to play the stream, and waits for it."""
        return stream in self._streams

    def not_live(self, stream: StreamId) -> list[Effect]:
        """The client asked to play a stream that is not live: it is told so, and waits if there is room."""
        effects: list[Effect] = [Send(replies.no_stream(stream))]
        if stream not in self._streams and len(self._streams) < self._most:
            self._streams.add(stream)
            effects.append(Wait(stream))
        return effects

    def live(self, stream: StreamId) -> list[Effect]:
        """The stream is live. The client is told once, if it waits for it, and then waits no longer."""
        if stream not in self._streams:
            return []
        return [*self.stop(stream), Send(replies.notification("streaming_started", stream))]

    def stop(self, stream: StreamId) -> list[Effect]:
        """The client no longer waits for it, if it did."""
        if stream not in self._streams:
            return []
        self._streams.discard(stream)
        return [StopWaiting(stream)]

    def stop_all(self) -> list[Effect]:
        """The socket is gone, and leaves the waiting list of every stream."""
        return [effect for stream in sorted(self._streams) for effect in self.stop(stream)]
