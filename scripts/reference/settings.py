"""docs/reference/settings.md: every setting of every service, from the settings classes and their docstrings."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from rillcast.runtime.settings import SHARED_PREFIX, NodeSettings
from scripts.reference import docstrings
from scripts.reference.faults import Undocumented
from scripts.reference.found import kinds, modules_called
from scripts.reference.markdown import page, paragraph, prose
from scripts.reference.type_words import limits_of

INTRODUCTION = """
A node reads its settings from environment variables when it starts. A setting that several kinds of node have can be
given to all of them as `RILLCAST_<FIELD>`, and to one kind as `RILLCAST_<SERVICE>_<FIELD>`, which wins. For example,
`RILLCAST_EDGE_WORKERS` counts for edges only.

A setting can also come from a file, which is meant for secrets: append `_FILE` to the name and give the path of the
file. A secret is never printed.

A value that is not possible, and a name with a service's own prefix that does not exist, stop the node when it starts:
one line names the variable, and the exit code is 2.
"""
UNITS = {
    "_per_s": "per second",
    "_s": "in seconds",
    "_ms": "in milliseconds",
    "_bps": "in bit/s",
    "_pps": "in packets per second",
}
WORDS = {str: "Text", int: "Whole number", float: "Number", bool: "`true` or `false`", SecretStr: "Secret text"}


def render() -> str:
    """The page. Raises `Undocumented` for settings without a docstring."""
    faults = [f"{place}: the setting has no docstring" for place in undocumented()]
    if faults:
        raise Undocumented(faults)
    parts = [part for cls in classes() for part in _section(cls)]
    return page("Settings", "the settings classes in `config.py` of each service", INTRODUCTION, parts)


def services() -> dict[str, type[NodeSettings]]:
    """The settings class of each service."""
    found = {}
    for module in modules_called("config"):
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, NodeSettings) and cls.__module__ == module.__name__:
                found[module.__name__.split(".")[1]] = cls
    return found


def classes() -> list[type[BaseSettings]]:
    """Every class that declares settings: those of all nodes first, then those of some, then those of each service."""
    found = {base for cls in services().values() for base in cls.__mro__ if _declares_settings(base)}
    return sorted(found, key=lambda cls: (-len(used_by(cls)), cls.__name__))


def used_by(cls: type) -> list[str]:
    """The services that have the settings of a class."""
    return [kind for kind, settings in sorted(services().items()) if issubclass(settings, cls)]


def fields(cls: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The settings that a class declares itself."""
    return ((name, field) for name, field in cls.model_fields.items() if name in cls.__annotations__)


def variable(cls: type[BaseSettings], name: str) -> str:
    """The environment variable of a setting; the shared one if several services have it."""
    prefix = SHARED_PREFIX if len(used_by(cls)) > 1 else str(cls.model_config.get("env_prefix"))
    return f"{prefix}{name.upper()}"


def has_file_twin(cls: type[BaseSettings], name: str) -> bool:
    """Whether the name with ``_FILE`` is a setting of its own, so that this one cannot come from a file."""
    return f"{name}_file" in cls.model_fields


def undocumented() -> list[str]:
    """Settings without a docstring, as ``module.Class.field``."""
    return [
        f"{cls.__module__}.{cls.__name__}.{name}"
        for cls in classes()
        for name, _ in fields(cls)
        if name not in docstrings.of_attributes(cls)
    ]


def value_in_words(name: str, field: FieldInfo) -> str:
    """What may be given: the form, the unit and the limits, e.g. "Number in seconds, at least 0"."""
    unit = next((words for suffix, words in UNITS.items() if name.endswith(suffix)), "")
    form = " ".join(filter(None, [_form(field.annotation), unit]))
    return ", ".join(filter(None, [form, limits_of(field.metadata)]))


def default_in_words(field: FieldInfo) -> str:
    """The default as it is written in the environment."""
    default = field.get_default(call_default_factory=False)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, (list, tuple)):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        default = str(default).lower()
    text = f"{default:g}" if isinstance(default, float) else str(default)
    return f"`{text}`" if text else "empty"


def _declares_settings(cls: type) -> bool:
    return issubclass(cls, BaseSettings) and cls is not BaseSettings and bool(dict(fields(cls)))


def _section(cls: type[BaseSettings]) -> Iterator[str]:
    owners = used_by(cls)
    yield f"## {'Every node' if owners == kinds() else ', '.join(owners).capitalize()}"
    for name, field in fields(cls):
        yield f"### {variable(cls, name)}"
        yield prose(docstrings.of_attributes(cls)[name])
        not_from_file = (
            " Not from a file: the name with `_FILE` is another setting." if has_file_twin(cls, name) else ""
        )
        yield paragraph(f"{value_in_words(name, field)}. Default: {default_in_words(field)}.{not_from_file}")


def _form(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "One of " + ", ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return "List separated by commas"
    if kind not in WORDS and hasattr(kind, "__value__"):
        return _form(kind.__value__)
    return WORDS[kind]
