"""Streams that change under their viewers: other renditions, another owner, a record that is gone, the end.

Media decides and not the record: while media flows, the vanishing of a record ends nobody, nor does it while a backup
is shown, for as long as the owner of the stream would have kept it.
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
from services.edge.domain.supply import Supplies
from services.edge.domain.viewer import Viewers
from services.edge.ports import Clock
from services.edge.usecases.downstream_relays import DownstreamRelays
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_sessions import ViewerSessions


class StreamChanges:
    """One per edge, for all streams that are watched there."""

    def __init__(
        self,
        viewers: Viewers,
        relays: UpstreamRelays,
        downstream: DownstreamRelays,
        sessions: ViewerSessions,
        session_end: SessionEnd,
        *,
        supplies: Supplies,
        stream: Callable[[str], LiveStream | None],
        tasks: BackgroundTasks,
        clock: Clock,
        gone_grace_s: float,
    ) -> None:
        """`stream`: what is live under a key. `gone_grace_s`: how long viewers wait when the record of their stream is
        gone and no media comes."""
        self._stream = stream
        self._supplies = supplies
        self._viewers = viewers
        self._relays = relays
        self._downstream = downstream
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
        for other in self._supplies.shown_instead(key):
            if (shown := self._stream(other)) is not None and self._viewers.watched(other):
                self._sessions.stream_changed(shown)

    def on_event(self, event: Event) -> None:
        """Take in an event of the plane. Call it after `UpstreamRelays.on_event`."""
        if isinstance(event, RelayParentLost) and (feed := self._relays.of_source(event.source)):
            for key in (feed.key, *self._supplies.shown_instead(feed.key)):
                self._sessions.stream_silent(key)

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
            elif now - since >= self._gone_grace_s and self._is_silent(key, now - since):
                del self._gone_since[key]
                self._tasks.queue(self._end_all(key), f"end of {key}")

    def _is_silent(self, key: str, gone_s: float) -> bool:
        """Whether viewers of a stream whose record is gone see nothing new."""
        if self._relays.silent_s(key) < self._gone_grace_s:
            return False
        last = self._supplies.last(key)
        if last is None or last.backup is None or gone_s >= last.live.record.backup_longest_s:
            return True
        return self._relays.silent_s(last.backup.key) >= self._gone_grace_s

    async def _end_all(self, key: str) -> None:
        self._gone_since.pop(key, None)
        await self._session_end.end_all(key, EndReason.STREAM_ENDED)
        self._downstream.end(key)
        self._relays.drop(key)
        if not self._viewers.watched(key):
            self._unwatched(key)

    def _unwatched(self, key: str) -> None:
        self._gone_since.pop(key, None)
        self._sessions.stream_unwatched(key)
