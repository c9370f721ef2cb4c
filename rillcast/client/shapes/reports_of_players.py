"""Shapes of calls about reports of players.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class PlayerReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What happened in a player. Other keys are passed over."""

    stream_id: str = ""
    event: str = ""
    protocol: str = ""
    subscriber_id: str | None = None
    first_frame_ms: int | None = None


class WatchReport(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """For how long somebody has watched."""

    stream_id: str = ""
    event: str = ""
    protocol: str = ""
    subscriber_id: str | None = None
    first_frame_ms: int | None = None
    watch_time_ms: int = 0
    freezes: int = 0
    frozen_ms: int = 0
