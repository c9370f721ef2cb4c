"""Structs and enums as sections of a page."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import ModuleType
from typing import Any

import msgspec

from scripts.reference import docstrings
from scripts.reference.markdown import bullets, link, paragraph, prose
from scripts.reference.type_words import NO_NAMES, in_python

Targets = Mapping[str, str]
"""Names of types, and the address of the section about each: the page and the heading."""


def targets_on(page: str, names: Iterable[str]) -> Targets:
    """The addresses of sections that have these names as their headings; `page` is empty for the same page."""
    return {name: f"{page}#{name.lower()}" for name in names}


def defined_in(module: ModuleType, base: type) -> list[type]:
    """The subclasses of `base` that a module defines, in the order of their definition."""
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    return sorted(found, key=lambda cls: inspect.getsourcelines(cls)[1])


def undocumented(classes: list[type]) -> list[str]:
    """Those without a docstring of their own."""
    return [f"{cls.__module__}.{cls.__name__} has no docstring" for cls in classes if not docstrings.of_class(cls)]


def struct_section(
    cls: type[msgspec.Struct], targets: Targets, heading: str = "", names: Mapping[Any, str] = NO_NAMES
) -> Iterator[str]:
    """A heading, the docstring, and each field with its name on the wire, type, default and meaning. `names`: see
    `in_python`."""
    yield f"### {heading or cls.__name__}"
    yield prose(docstrings.of_class(cls))
    for base in cls.__bases__:
        if base is not msgspec.Struct:
            yield paragraph(f"It also has every field of {link(base.__name__)}.")
    if entries := list(_fields(cls, targets, names)):
        yield bullets(entries)


def enum_section(cls: type[Enum]) -> Iterator[str]:
    """A heading, the docstring, and each value with its meaning."""
    yield f"### {cls.__name__}"
    yield prose(docstrings.of_class(cls))
    meanings = docstrings.of_attributes(cls)
    yield bullets(f"`{m.value}`" + (f": {meanings[m.name]}" if m.name in meanings else "") for m in cls)


def _fields(cls: type[msgspec.Struct], targets: Targets, names: Mapping[Any, str]) -> Iterator[str]:
    kinds = typing.get_type_hints(cls, include_extras=True)
    meanings = docstrings.of_attributes(cls)
    for field in msgspec.structs.fields(cls):
        if field.name in cls.__annotations__:
            kind = _linked(in_python(kinds[field.name], names), targets)
            meaning = meanings.get(field.name)
            yield f"`{field.encode_name}` ({kind}{_default(field)})" + (f": {meaning}" if meaning else "")


def _linked(kind: str, targets: Targets) -> str:
    return re.sub(r"\w+", lambda word: f"[{word[0]}]({targets[word[0]]})" if word[0] in targets else word[0], kind)


def _default(field: msgspec.structs.FieldInfo) -> str:
    default = field.default
    if default is msgspec.NODEFAULT:
        default = msgspec.NODEFAULT if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is msgspec.NODEFAULT or default is None or default is msgspec.UNSET:
        return ""
    if isinstance(default, msgspec.Struct):
        return f", by default {type(default).__name__}'s defaults"
    return f", by default `{msgspec.json.encode(default).decode()}`"
