"""docs/reference/plane.md: what Python and the native media plane say to each other."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import msgspec

from rillcast.media import protocol
from scripts.reference import messages
from scripts.reference.faults import Undocumented
from scripts.reference.markdown import page, prose
from scripts.reference.structs import defined_in, struct_section, targets_on, undocumented

INTRODUCTION = """
Python hands commands to the native media plane and gets events back. Both are JSON objects whose key `type` holds the
name that stands in the heading. Packets do not go as JSON: a tapped packet comes to the handler `on_packet`, and
`push_rtp` takes a packet in, both as bytes.
"""


def render() -> str:
    """The page. Raises `Undocumented` for commands and events without a docstring."""
    if faults := undocumented(defined_in(protocol, msgspec.Struct)):
        raise Undocumented(faults)
    return page("The media plane", "`rillcast/media/protocol.py`", INTRODUCTION, _parts())


def _parts() -> Iterator[str]:
    structs = defined_in(protocol, msgspec.Struct)
    targets = {**messages.targets(), **targets_on("", [cls.__name__ for cls in structs])}
    commands, events = typing.get_args(protocol.Command), typing.get_args(protocol.Event)
    yield "## Conventions"
    yield prose(protocol.__doc__ or "")
    for title, tagged in (("Commands", commands), ("Events", events)):
        yield f"## {title}"
        for cls in tagged:
            yield from struct_section(cls, targets, heading=f"`{cls.__struct_config__.tag}`")
    yield "## Structs inside them"
    for cls in structs:
        if cls not in commands + events:
            yield from struct_section(cls, targets)
