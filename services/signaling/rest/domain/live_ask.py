"""Which part of the cluster somebody looks at."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec

from rillcast.contracts.health import Health
from rillcast.contracts.words import NodeKind
from services.signaling.rest.domain.refusal import BadInput

MOST_SIZE = 200
MOST_OFFSET = 5_000
"""Nobody turns over so many pages: whoever looks for something narrows the search."""
MOST_WORD = 256
WORST_IN_OVERVIEW = 8


class View(StrEnum):
    """What is looked at."""

    OVERVIEW = "overview"
    NODES = "nodes"
    NODE = "node"
    STREAMS = "streams"
    STREAM = "stream"
    VIEWER = "viewer"


class StreamSort(StrEnum):
    """By what streams are sorted. Of equals, by app and id."""

    HEALTH = "health"
    """Those that are worst off come first."""
    VIEWERS = "viewers"
    STARTED = "started"
    NAME = "name"


class NodeSort(StrEnum):
    """By what nodes are sorted. Of equals, by id."""

    HEALTH = "health"
    LOAD = "load"
    VIEWERS = "viewers"
    NAME = "name"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the cluster. All who look at the same one are told the same."""

    view: View = View.OVERVIEW
    region: str = ""
    zone: str = ""
    kind: NodeKind | None = None
    health: Health | None = None
    node: str = ""
    app: str = ""
    stream: str = ""
    id: str = ""
    """The id of a join, as `SessionFate.id`."""
    q: str = ""
    """Part of an id, in lower case."""
    sort: str = ""
    """A word of `StreamSort` or `NodeSort`."""
    descending: bool = False
    offset: int = 0
    size: int = 50


_PAGE = frozenset({"q", "sort", "order", "offset", "size", "health"})
_KNOWN: dict[View, frozenset[str]] = {
    View.OVERVIEW: frozenset({"region", "zone"}),
    View.NODES: _PAGE | {"region", "zone", "kind"},
    View.NODE: frozenset({"node"}),
    View.STREAMS: _PAGE | {"app", "node"},
    View.STREAM: frozenset({"app", "stream"}),
    View.VIEWER: frozenset({"id"}),
}
_NEEDED = {View.NODE: ("node",), View.STREAM: ("app", "stream"), View.VIEWER: ("id",)}
_FLAT = frozenset({View.OVERVIEW, View.NODE, View.STREAM, View.VIEWER})
Word = TypeVar("Word", bound=StrEnum)


def asked(query: Mapping[str, str]) -> Ask:
    """What the query asks for. Raises `BadInput` for what there is not."""
    view = _word(View, query.get("view", View.OVERVIEW.value), "view")
    known = _KNOWN[view] | {"view"}
    for name, value in query.items():
        if name not in known:
            there = ", ".join(sorted(known - {"view"}))
            raise BadInput(f"{name[:80]!r} is nothing that the view {view.value} can be asked for; there are {there}")
        if len(value) > MOST_WORD:
            raise BadInput(f"{name} has more than {MOST_WORD} characters")
    for name in _NEEDED.get(view, ()):
        if not query.get(name):
            raise BadInput(f"the view {view.value} needs {name}")
    said = Ask(
        view=view,
        region=query.get("region", ""),
        zone=query.get("zone", ""),
        node=query.get("node", ""),
        app=query.get("app", ""),
        stream=query.get("stream", ""),
        id=query.get("id", ""),
        q=query.get("q", "").strip().lower(),
    )
    if view in _FLAT:
        return said
    sorts: type[StreamSort | NodeSort] = StreamSort if view is View.STREAMS else NodeSort
    sort = _word(sorts, query.get("sort", "health"), "sort").value
    return msgspec.structs.replace(
        said,
        kind=_word(NodeKind, query["kind"], "kind") if query.get("kind") else None,
        health=_word(Health, query["health"], "health") if query.get("health") else None,
        sort=sort,
        descending=_descending(query.get("order", ""), sort),
        offset=_number(query, "offset", 0, 0, MOST_OFFSET),
        size=_number(query, "size", 50, 1, MOST_SIZE),
    )


def _descending(order: str, sort: str) -> bool:
    if order not in ("", "asc", "desc"):
        raise BadInput("order is asc or desc")
    return order == "desc" if order else sort != "name"


def _word(kind: type[Word], text: str, name: str) -> Word:
    for word in kind:
        if word.value == text:
            return word
    raise BadInput(f"{name} is one of {', '.join(kind)}, and not {text[:80]!r}")


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise BadInput(f"{name} is a whole number from {least} to {most}")
    return int(text)
