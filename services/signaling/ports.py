"""What signaling needs from outside, as its domain sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.records import AppSettings

OwnerOf = Callable[[AppName, StreamId], NodeId | None]
"""The origin that has a stream now."""


class Streams(Protocol):
    """The local view of what is live. Never leaves the process."""

    def live(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if media of it flows."""
        ...

    def all(self) -> Iterable[LiveStream]:
        """Every stream that somebody publishes, media or not yet."""
        ...

    def count(self, app: AppName, besides: StreamId) -> int:
        """Streams of an app other than `besides`."""
        ...


class Apps(Protocol):
    """The apps that exist."""

    def settings(self, app: AppName) -> AppSettings | None:
        """None when there is no such app."""
        ...


class Audience(Protocol):
    """How many watch, cluster-wide, at most a second or two old."""

    def viewers(self, app: AppName, stream: StreamId) -> int: ...

    def viewers_of_app(self, app: AppName) -> int: ...


class LicenceState(Protocol):
    """What is known of the cluster licence."""

    @property
    def suspended(self) -> bool:
        """True only when the licence has expired and its grace time is over."""
        ...


class Tally(Protocol):
    """Counts what happens."""

    def command(self, command: str, outcome: str) -> None: ...

    def refused_input(self, reason: str) -> None: ...

    def joined(self, role: str, outcome: str, seconds: float | None = None) -> None: ...
