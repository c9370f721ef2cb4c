"""What the native load generator tells of its peers, as it happens."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class What(StrEnum):
    """What can happen to a peer, in the words of the native load generator."""

    CONNECTED = "connected"
    FIRST_PACKET = "first_packet"
    FIRST_KEYFRAME = "first_keyframe"
    PICTURE = "picture"
    FAILED = "failed"


class Happened(msgspec.Struct, frozen=True):
    """Something about one peer, as the native thread tells it."""

    id: int
    what: What
    at_us: int
    detail: str
