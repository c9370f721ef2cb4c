"""Streams whose publishers were let in, and which are not live yet. `now_s` is monotonic seconds."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.cluster.shares import HalfOpen
from rillcast.contracts.ids import AppName, SessionId, StreamId

IsLive = Callable[[AppName, StreamId], bool]
LAG_S = 3.0
"""A stream whose media has come shows in the store after at most so long."""

_Stream = tuple[AppName, StreamId]


class RecentStreams:
    """Of apps that have a limit. Each has as many streams here as its limit at most, with several publishers perhaps
    that want the same one. A stream takes the place of whoever wanted it first."""

    def __init__(self) -> None:
        self._coming: dict[AppName, HalfOpen[StreamId]] = {}
        self._publishers: dict[_Stream, dict[SessionId, None]] = {}
        self._until: dict[_Stream, float] = {}
        self._stream_of: dict[SessionId, _Stream] = {}
        self._came: dict[_Stream, float] = {}
        """Since when their media is there. The oldest first."""

    def __len__(self) -> int:
        """Publishers that are still to bring their media, and streams that have it and are not live yet."""
        return len(self._stream_of) + len(self._came)

    def add(
        self, app: AppName, stream: StreamId, session: SessionId, client: str, *, now_s: float, until_s: float
    ) -> None:
        """A publisher was let in, which has until then to bring its media. `client`: whose share of the places its
        stream takes."""
        self.drop(session)
        key = app, stream
        if key not in self._publishers:
            self._coming.setdefault(app, HalfOpen()).add(stream, client, now_s)
        self._publishers.setdefault(key, {})[session] = None
        self._stream_of[session] = key
        self._until[key] = max(until_s, self._until.get(key, until_s))

    def make_room(self, app: AppName, besides: StreamId, client: str, places: int, now_s: float) -> int | None:
        """Have other streams give way until one more of this client is among at most `places` (1 or more) that are
        still to come. How many gave way; None when there is no room."""
        displaced = 0
        while self.coming(app, besides) >= places:
            stream = self._coming[app].gives_way(client, now_s)
            if stream is None:
                return None
            self._drop_stream((app, stream))
            displaced += 1
        return displaced

    def came(self, session: SessionId, now_s: float) -> bool:
        """Its media has come, and the stream is to be live soon. False when it has no place any more, or never had one;
        then nothing has changed."""
        key = self._stream_of.get(session)
        if key is None:
            return False
        self._drop_stream(key)
        self._came[key] = now_s
        return True

    def add_live(self, app: AppName, stream: StreamId, now_s: float) -> None:
        """The media of a stream has come that had no place."""
        self._came[app, stream] = now_s

    def drop(self, session: SessionId) -> None:
        """The publisher is gone, or not let in after all."""
        key = self._stream_of.pop(session, None)
        if key is None:
            return
        del self._publishers[key][session]
        if not self._publishers[key]:
            self._drop_stream(key)

    def forget(self, app: AppName, is_live: IsLive, now_s: float) -> None:
        """Whatever is live by now is counted elsewhere, and who has had its time is gone."""
        for stream in [key[1] for key in self._until if key[0] == app]:
            if is_live(app, stream) or now_s >= self._until[app, stream]:
                self._drop_stream((app, stream))
        self._came = {key: since for key, since in self._came.items() if now_s - since < LAG_S and not is_live(*key)}

    def coming(self, app: AppName, besides: StreamId) -> int:
        """How many streams of an app other than `besides` are still to come."""
        coming = self._coming.get(app, ())
        return len(coming) - (besides in coming)

    def arrived(self, app: AppName, besides: StreamId) -> int:
        """How many of them have come, and are not live yet."""
        return sum(1 for one, stream in self._came if one == app and stream != besides)

    def _drop_stream(self, key: _Stream) -> None:
        app, stream = key
        for session in self._publishers.pop(key):
            self._stream_of.pop(session, None)
        del self._until[key]
        self._coming[app].drop(stream)
        if not self._coming[app]:
            del self._coming[app]
