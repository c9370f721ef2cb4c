"""Types in words: those of settings for operators, those of structs for programmers."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Literal, NewType, Union

import annotated_types
import msgspec

from rillcast.contracts.grammars import in_words

NO_NAMES: Mapping[Any, str] = types.MappingProxyType({})
_BOUNDS = (annotated_types.Ge, annotated_types.Gt, annotated_types.Le, annotated_types.Lt, msgspec.Meta)
_LIMITS = {
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
    "max_length": "at most {} characters",
}


def in_python(kind: Any, names: Mapping[Any, str] = NO_NAMES) -> str:
    """A type as it is written in Python: ``tuple[TrackRecord, ...]``, ``float | None``. Types of `names` are called
    so."""
    if name := names.get(kind):
        return name
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        comma = ", " if arguments[0] is str else " "
        limits = limits_of(arguments[1:])
        if typing.get_origin(arguments[0]) is tuple:
            comma, limits = ", ", limits.replace("characters", "entries")
        return comma.join(filter(None, [in_python(arguments[0], names), limits]))
    if origin in (Union, types.UnionType):
        return " | ".join(in_python(argument, names) for argument in arguments)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(in_python(argument, names) for argument in arguments)}]"
    return _plain_name(kind)


def limits_of(metadata: Iterable[Any]) -> str:
    """The limits that pydantic's or msgspec's metadata puts on a number or a text: "from 0 to 100", "more than 0", "at
    most 256 characters", "1 to 64 letters and digits", or nothing."""
    metadata = tuple(metadata)
    for entry in metadata:
        if isinstance(entry, msgspec.Meta) and entry.pattern is not None:
            return in_words(f"`str` matching regex {entry.pattern!r}")
    bounds = {
        name: number(getattr(entry, name))
        for entry in metadata
        if isinstance(entry, _BOUNDS)
        for name in _LIMITS
        if getattr(entry, name, None) is not None
    }
    if bounds.keys() == {"ge", "le"}:
        return f"from {bounds['ge']} to {bounds['le']}"
    return ", ".join(_LIMITS[name].format(bound) for name, bound in bounds.items())


def number(value: float) -> str:
    """A number as people read it: ``30``, ``0.5``, ``10 000 000 000``."""
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"


def named(kind: Any) -> list[type]:
    """The structs and enums that a type mentions, at any depth."""
    if isinstance(kind, type) and issubclass(kind, (msgspec.Struct, Enum)):
        return [kind]
    return [found for argument in typing.get_args(kind) for found in named(argument)]


def _plain_name(kind: Any) -> str:
    if kind is type(None):
        return "None"
    if kind is Ellipsis:
        return "..."
    return str(kind.__name__) if isinstance(kind, (type, NewType)) else str(kind)
