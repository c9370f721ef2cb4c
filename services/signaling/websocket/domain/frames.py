"""Client frames of the Ant Media WebSocket protocol. Only shapes are checked here; nothing is trusted.

Clients send numbers as strings, booleans as words and objects as meta data, so every field is read through a function
that takes what can be meant and turns the rest into "absent".
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

MAX_FRAME_BYTES = 80 * 1024
"""The original's text buffer; a larger frame closes the socket with 1009."""


class SdpType(StrEnum):
    """What a description is, in ``takeConfiguration``."""

    OFFER = "offer"
    ANSWER = "answer"


class ClientFrame(msgspec.Struct, rename="camel"):
    """One frame, all fields of all commands we answer. ``object``: the client may have sent anything."""

    command: object = None
    stream_id: object = None
    token: object = None
    subscriber_id: object = None
    subscriber_code: object = None
    stream_name: object = None
    meta_data: object = None
    main_track: object = None
    room: object = None
    video: object = None
    audio: object = None
    viewer_info: object = None
    track_list: object = None
    disable_tracks_by_default: object = None
    track_id: object = None
    offset: object = None
    size: object = None
    role: object = None
    status: object = None
    search: object = None
    sort_by: object = None
    order_by: object = None
    type: object = None
    sdp: object = None
    candidate: object = None
    enabled: object = None
    stream_height: object = None
    tells_first_frame: object = None
    first_frame_ms: object = None


class BadFrame(Exception):
    """Not a JSON object. The original ignores such frames, and so do we."""


_DECODER = msgspec.json.Decoder(ClientFrame)


def parse_frame(text: str) -> ClientFrame:
    """The frame in a client's text. Raises `BadFrame` when it is no JSON object."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadFrame(str(error)) from error


def text(value: object) -> str:
    """The string that was sent; empty for anything else."""
    return value if isinstance(value, str) else ""


def is_named(value: object) -> bool:
    """Whether a field that names something does: anything but nothing, an empty text, ``false`` and zero."""
    return bool(value)


def number(value: object, otherwise: int) -> int:
    """A whole number of a page of a list, also as a numeric string; `otherwise` for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 9:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        return otherwise
    return int(value)


def free_text(value: object, limit: int) -> str | None:
    """Text as sent, or JSON of whatever else; None when longer than `limit`, or nested too deeply to be written."""
    if value is None:
        return ""
    try:
        shown = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except RecursionError:
        return None  # what could just be read where the stack was less deep
    return shown if len(shown) <= limit else None


def flag(value: object) -> bool | None:
    """A boolean, or the words true and false."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def height(value: object) -> int | None:
    """A rendition's height; 0 for automatic, also as a numeric string or ``auto``."""
    if isinstance(value, str):
        if value.strip().lower() == "auto":
            return 0
        if not value.strip().isascii() or not value.strip().isdigit() or len(value) > 5:
            return None
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= 16_384 else None


def duration_ms(value: object) -> float | None:
    """A time that has passed, in milliseconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        return None
    return float(value)


def is_candidate(value: object) -> bool:
    """Whether a candidate can be one: the end mark, or a ``candidate:`` line of sane length in one line."""
    if value is None or value == "":
        return True
    if not isinstance(value, str) or len(value) > 1_024 or "\n" in value or "\r" in value:
        return False
    return value.startswith(("candidate:", "a=candidate:")) and len(value.split()) >= 8
