"""docs/reference/plane.md: what Python and the native media plane say to each other."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import msgspec

from rillcast.media import protocol
from rillcast.media.protocol import commands, config, events, figures, negotiated
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
    if faults := undocumented(_structs()):
        raise Undocumented(faults)
    return page("The media plane", "`rillcast/media/protocol`", INTRODUCTION, _parts())


def _structs() -> list[type]:
    """Of all modules of the protocol."""
    return [
        cls for module in (config, negotiated, commands, figures, events) for cls in defined_in(module, msgspec.Struct)
    ]


def _parts() -> Iterator[str]:
    structs = _structs()
    targets = {**messages.targets(), **targets_on("", [cls.__name__ for cls in structs])}
    told, heard = typing.get_args(protocol.Command), typing.get_args(protocol.Event)
    yield "## Conventions"
    yield prose(protocol.__doc__ or "")
    for title, tagged in (("Commands", told), ("Events", heard)):
        yield f"## {title}"
        for cls in tagged:
            yield from struct_section(cls, targets, heading=f"`{cls.__struct_config__.tag}`")
    yield "## Structs inside them"
    for cls in structs:
        if cls not in told + heard:
            yield from struct_section(cls, targets)
