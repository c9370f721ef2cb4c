"""Streams that change under their viewers: other renditions, another owner, a record that is gone, the end.

Media decides and not the record: while media flows, the vanishing of a record ends nobody.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import stream_key
from rillcast.contracts.messages import StreamEvent
from rillcast.contracts.words import EndReason
from rillcast.media.protocol import Event, RelayParentLost
from rillcast.node.background import BackgroundTasks
from services.edge.domain.viewer import Viewers
from services.edge.ports import Clock
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_sessions import ViewerSessions


class StreamChanges:
    """One per edge, for all streams that are watched there."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        sessions: ViewerSessions,
        session_end: SessionEnd,
        *,
        stream: Callable[[str], LiveStream | None],
        tasks: BackgroundTasks,
        clock: Clock,
        gone_grace_s: float,
    ) -> None:
        """`stream`: what is live under a key. `gone_grace_s`: how long viewers wait when the record of their stream is
        gone and no media comes."""
        self._stream = stream
        self._viewers = viewers
        self._relays = relays
        self._sessions = sessions
        self._session_end = session_end
        self._tasks = tasks
        self._clock = clock
        self._gone_grace_s = gone_grace_s
        self._gone_since: dict[str, float] = {}

    def __len__(self) -> int:
        """How many streams are gone and waited for."""
        return len(self._gone_since)

    def changed(self, key: str) -> None:
        """The directory shows something else for a stream now. Called for every change of its record, also if only bit
        rates changed: then it costs the same however many watch."""
        live = self._stream(key)
        self._relays.on_stream_changed(key, live)
        if not self._viewers.watched(key):
            self._unwatched(key)
        elif live is None:
            self._gone_since.setdefault(key, self._clock())
        else:
            self._gone_since.pop(key, None)
            self._sessions.stream_changed(live)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane. Call it after `UpstreamRelays.on_event`."""
        if isinstance(event, RelayParentLost) and (feed := self._relays.of_source(event.source)):
            self._sessions.stream_silent(feed.key)

    async def ended(self, _subject: str, event: StreamEvent) -> None:
        """The owner says that the stream is over; stale news about a claim before the present one is no news."""
        key = stream_key(event.app, event.stream)
        live = self._stream(key)
        newest = max(live.epoch if live is not None else Epoch(), self._relays.newest_epoch(key))
        if event.claim == newest.claim or Epoch(event.epoch, event.claim) > newest:
            await self._end_all(key)

    def tick(self) -> None:
        """Let time pass. Call several times a second."""
        now = self._clock()
        for key, since in tuple(self._gone_since.items()):
            if not self._viewers.watched(key):
                self._unwatched(key)
            elif now - since >= self._gone_grace_s and self._relays.silent_s(key) >= self._gone_grace_s:
                del self._gone_since[key]
                self._tasks.queue(self._end_all(key), f"end of {key}")

    async def _end_all(self, key: str) -> None:
        self._gone_since.pop(key, None)
        await self._session_end.end_all(key, EndReason.STREAM_ENDED)
        self._relays.drop(key)
        if not self._viewers.watched(key):
            self._unwatched(key)

    def _unwatched(self, key: str) -> None:
        self._gone_since.pop(key, None)
        self._sessions.stream_unwatched(key)
