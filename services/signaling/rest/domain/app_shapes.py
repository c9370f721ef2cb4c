"""Apps as Ant Media's REST tells of them."""

from __future__ import annotations

import msgspec


class AppNames(msgspec.Struct, kw_only=True):
    """The names of the apps that there are."""

    applications: list[str]


class AppInfo(msgspec.Struct, rename="camel", kw_only=True):
    """One app in figures."""

    name: str
    live_stream_count: int
    vod_count: int = 0
    """How many recordings there are. None are made here."""
    storage: int = 0
    """How many bytes its files have. There are none here."""


class WatchedStream(msgspec.Struct, rename="camel", kw_only=True):
    """One stream that is live."""

    name: str
    """The id of the stream."""
    watcher_count: int


class Upload(msgspec.Struct, kw_only=True):
    """A form of which only this counts."""

    has_file: bool
    """Whether one of its fields is a file."""
