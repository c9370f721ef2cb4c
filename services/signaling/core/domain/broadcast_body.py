"""A broadcast as clients post it, read as leniently as Ant Media does: keys are known, types are not."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from rillcast.apps.patch import Patch, PatchRefused
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.decoding import Undecodable, decode_json

IGNORED = frozenset({"streamId", "anyoneWatching"})
"""What says which broadcast it is, and what is only shown."""
EMPTIED = frozenset({"encoderSettingsList", "listenerHookURL", "backupStreamId", "backupAfterMs", "backupLongestS"})
"""What null gives back to the app; everything else stays as it is by null."""


def read_changes(posted: Patch[KeptBroadcast]) -> Patch[KeptBroadcast]:
    """What is to change, with values of the types that the record has. Raises `PatchRefused` for an unknown key, and
    for a value that is none of its type; the message names the key."""
    found: dict[str, msgspec.Raw] = {}
    for key, raw in posted.posted.items():
        if key in IGNORED:
            continue
        if key not in _KINDS:
            raise PatchRefused(f'Unrecognized field "{key[:200]}", not marked as ignorable')
        value = _decoded(key, raw)
        if value is None and key not in EMPTIED:
            continue
        found[key] = msgspec.Raw(msgspec.json.encode(_coerced(key, value)))
    return Patch(found)


def posted_id(posted: Patch[KeptBroadcast]) -> str:
    """The id that was posted, blank or not. Raises `PatchRefused`."""
    raw = posted.posted.get("streamId")
    value = _decoded("streamId", raw) if raw is not None else None
    if value is None:
        return ""
    text = _text(value)
    if not isinstance(text, str):
        raise PatchRefused("streamId: that is no text")
    return text.strip()


def _decoded(key: str, raw: msgspec.Raw) -> Any:
    try:
        return decode_json(bytes(raw), Any)
    except Undecodable as error:
        raise PatchRefused(f"{key}: {error}") from error


def _coerced(key: str, value: Any) -> Any:
    match _KINDS[key]:
        case "text":
            return _text(value)
        case "int":
            return _number(value, int)
        case "float":
            return _number(value, float)
        case "bool":
            return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value
    return value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    """What cannot be one stays as it is, and is refused when the record is made."""
    if isinstance(value, bool):
        return value
    try:
        return kind(float(value) if isinstance(value, str) and kind is int and not _digits(value) else value)
    except (TypeError, ValueError, OverflowError):
        return value


def _digits(text: str) -> bool:
    return text.strip().removeprefix("-").isdecimal()


def _kind(annotation: Any) -> str:
    """In a word: text, int, float, bool, or other."""
    while hasattr(annotation, "__supertype__") or get_origin(annotation) is Annotated:
        annotation = annotation.__supertype__ if hasattr(annotation, "__supertype__") else get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [_kind(one) for one in get_args(annotation) if one is not type(None)]
        return inner[0] if len(set(inner)) == 1 else "other"
    return {str: "text", int: "int", float: "float", bool: "bool"}.get(annotation, "other")


def _kinds() -> Mapping[str, str]:
    hints = get_type_hints(KeptBroadcast, include_extras=True)
    return {field.encode_name: _kind(hints[field.name]) for field in msgspec.structs.fields(KeptBroadcast)}


_KINDS = _kinds()
