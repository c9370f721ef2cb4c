"""Events as Ant Media writes them for webhooks, key by key and in its order."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlencode

import msgspec

from rillcast.contracts.ids import StreamId

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Action(StrEnum):
    """Events that there are here, by Ant Media's names."""

    STARTED = "liveStreamStarted"
    ENDED = "liveStreamEnded"
    PUBLISH_TIMEOUT = "publishTimeoutError"
    PLAY_STARTED = "playStarted"
    PLAY_STOPPED = "playStopped"


def hook_fields(
    action: Action,
    stream: StreamId,
    app: str,
    at_ms: int,
    *,
    name: str = "",
    category: str = "",
    main_track: str = "",
    subscriber: str = "",
    meta_data: str = "",
) -> dict[str, str]:
    """What a receiver is told. Whatever has no value is left out. Times are text, as all other values are. The main
    track is told under two names, since older receivers know only the second."""
    fields = {
        "id": stream,
        "action": action.value,
        "streamName": name,
        "category": category,
        "mainTrackId": main_track,
        "roomId": main_track,
        "subscriberId": subscriber,
        "app": app,
        "metadata": meta_data,
        "timestamp": str(at_ms),
    }
    return {key: value for key, value in fields.items() if value}


def hook_body(fields: Mapping[str, str], content_type: str) -> bytes:
    """The body of a request. ``metadata`` that is a JSON object is written as one, and as text in a form."""
    ordered = {key: fields[key] for key in in_order_of_hashes(fields)}
    if content_type == FORM:
        return urlencode(ordered).encode()
    told: dict[str, object] = dict(ordered)
    if "metadata" in told:
        told["metadata"] = _as_object(ordered["metadata"])
    return msgspec.json.encode(told)


def in_order_of_hashes(keys: Mapping[str, object]) -> list[str]:
    """The keys as Java's HashMap goes through them: a receiver that reads text rather than JSON meets what it knows."""
    buckets = 16
    while len(keys) > buckets * 3 // 4:
        buckets *= 2
    return sorted(keys, key=lambda key: _hash(key) % buckets)


def _hash(key: str) -> int:
    value = 0
    for character in key:
        value = (31 * value + ord(character)) & 0xFFFF_FFFF
    return value ^ (value >> 16)


def _as_object(text: str) -> object:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return text
    return value if isinstance(value, dict) else text
