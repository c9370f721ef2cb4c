"""Streams whose publishers were let in, and which are not live yet."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import AppName, SessionId, StreamId


class _Coming(msgspec.Struct, frozen=True):
    app: AppName
    stream: StreamId
    until_s: float


class RecentStreams:
    """Of apps that have a limit. Each has as many streams here as its limit at most, with several publishers perhaps
    that want the same one. `now_s` is monotonic seconds."""

    def __init__(self) -> None:
        self._coming: dict[SessionId, _Coming] = {}

    def __len__(self) -> int:
        return len(self._coming)

    def add(self, app: AppName, stream: StreamId, session: SessionId, until_s: float) -> None:
        """A publisher was let in, which has until then to bring its media."""
        self._coming[session] = _Coming(app, stream, until_s)

    def drop(self, session: SessionId) -> None:
        """It is over, or not let in after all."""
        self._coming.pop(session, None)

    def count(self, app: AppName, besides: StreamId, is_live: Callable[[AppName, StreamId], bool], now_s: float) -> int:
        """How many streams of an app other than `besides` are still to come. `is_live`: whether one has come."""
        self._coming = {
            session: one
            for session, one in self._coming.items()
            if now_s < one.until_s and not is_live(one.app, one.stream)
        }
        return len({one.stream for one in self._coming.values() if one.app == app} - {besides})
