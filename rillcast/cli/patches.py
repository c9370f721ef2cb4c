"""Keys that are typed, as the structs of which they are keys. ``key=@file`` takes the value from a file, so that no
secret stands among the processes; ``@@`` is an @."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from rillcast.cli.faults import WrongUse
from rillcast.cli.words import pair, secret_in
from rillcast.client.shapes import AppSettingsPatch, KeptBroadcastPatch

PATCH = Annotated[
    list[str] | None,
    typer.Option("--key", metavar="KEY=VALUE", help="A key of Ant Media's broadcast, and its value. May be repeated."),
]
Shape = TypeVar("Shape", bound=msgspec.Struct)


def broadcast_patch(pairs: Iterable[str]) -> KeptBroadcastPatch:
    """Raises WrongUse, which names what is wrong."""
    return _read(pairs, KeptBroadcastPatch)


def settings_patch(pairs: Iterable[str]) -> AppSettingsPatch:
    """Raises WrongUse, which names what is wrong."""
    return _read(pairs, AppSettingsPatch)


def known(key: str, shape: type[msgspec.Struct]) -> str:
    """The key itself. Raises WrongUse for one that the shape does not have, with those that look like it."""
    keys = shape.__struct_encode_fields__
    if key in keys:
        return key
    by_case = {one.lower(): one for one in keys}
    near = [by_case[one] for one in difflib.get_close_matches(key.lower(), by_case, n=3, cutoff=0.7)]
    raise WrongUse(f"there is no {key!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))


def _read(pairs: Iterable[str], shape: type[Shape]) -> Shape:
    found: dict[str, object] = {}
    for text in pairs:
        try:
            key, value = pair(text)
        except typer.BadParameter as error:
            raise WrongUse(error.message) from None
        typed = text.partition("=")[2]
        if typed.startswith("@"):
            value = typed = typed[1:] if typed.startswith("@@") else secret_in(Path(typed[1:]))
        found[known(key, shape)] = _fitting(key, typed, value, shape)
    return msgspec.convert(found, shape)


def _fitting(key: str, text: str, value: object, shape: type[msgspec.Struct]) -> object:
    """The value if the key may have it, else the text, since ``2`` is what some keys want as text."""
    for one in (value, text):
        try:
            msgspec.convert({key: one}, shape)
        except msgspec.ValidationError as error:
            why = error
        else:
            return one
    raise WrongUse(f"{key}={text}: {str(why).partition(' - at ')[0]}")
