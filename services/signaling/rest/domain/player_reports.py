"""What players report of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from rillcast.contracts.fields import Word

EVENTS: Mapping[str, str] = {
    "playstarted": "play_started",
    "playstartedfirsttime": "play_started_first_time",
    "playpaused": "play_paused",
    "playended": "play_ended",
    "keyframestats": "key_frame_stats",
    "playerstats": "player_stats",
}
"""Those of Ant Media's players, in lower case, with what they are counted as."""
PROTOCOLS: Mapping[str, str] = {"webrtc": "webrtc", "hls": "hls", "ll-hls": "ll_hls", "dash": "dash", "vod": "vod"}
WEBRTC = PROTOCOLS["webrtc"]
WATCH_TIME = "watch_time"


class PlayerReport(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """What happened in a player. Other keys are passed over."""

    stream_id: Word = ""
    event: Word = ""
    protocol: Word = ""
    """By what it plays: webrtc, hls, ll-hls, dash or vod."""
    subscriber_id: Word | None = None
    first_frame_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] | None = None
    """In milliseconds, from the wish to watch to the first picture. Of players by WebRTC."""


class WatchReport(PlayerReport, kw_only=True, frozen=True):
    """For how long somebody has watched."""

    watch_time_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0
    """In milliseconds, since the last such report."""
    freezes: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    """How often the picture stood still since then. Of players by WebRTC."""
    frozen_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0
    """For how long it stood still since then, in milliseconds."""


def one_of(known: Mapping[str, str], word: str) -> str:
    """What a word of a client is counted as; ``other`` for an unknown one."""
    return known.get(word.strip().lower(), "other")
