"""Names of the wire as names of Python."""

from __future__ import annotations

import keyword
import re

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``streamId`` as ``stream_id``, ``listenerHookURL`` as ``listener_hook_url``, ``from`` as ``from_``."""
    found = re.sub(r"\W+", "_", _HUMP.sub("_", name)).lower()
    return f"{found}_" if keyword.iskeyword(found) else found


def camel(name: str) -> str:
    """How msgspec renames a field for the wire with ``rename="camel"``."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def class_name(component: str) -> str:
    """Of a component. One with a dotted name has a namesake, and is called after its module too."""
    *modules, name = component.split(".")
    return f"{modules[-1].title()}{name}" if modules else name


def module_of(tag: str) -> str:
    """The module, and the attribute of `Client`, that has the calls of a tag."""
    return re.sub(r"\W+", "_", tag).lower()
