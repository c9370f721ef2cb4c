"""Shapes of calls about applications.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class AppInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One app in figures."""

    name: str
    live_stream_count: int
    vod_count: int = 0
    storage: int = 0


class AppNames(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the apps that there are."""

    applications: list[str]


class WatchedStream(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One stream that is live."""

    name: str
    watcher_count: int
