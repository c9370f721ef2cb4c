"""What the live feed tells: the parts of an answer that goes on, and what they come to."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from rillcast.client.faults import NotOurs
from rillcast.contracts.event_records import ClusterEvent
from rillcast.contracts.health import Health, Trouble

RowOf = TypeVar("RowOf", bound=msgspec.Struct)
SNAPSHOT = "snapshot"
"""The name of the part that has everything. Every other one has what changed."""


class LiveEvent(msgspec.Struct, frozen=True):
    """What happened, with its place in the journal."""

    id: str
    event: ClusterEvent


class LivePart(msgspec.Struct, frozen=True):
    """All of a view, or what changed of it."""

    at_ms: int = 0
    head: msgspec.Raw = msgspec.Raw()
    rows: dict[str, dict[str, msgspec.Raw]] = {}
    gone: dict[str, tuple[str, ...]] = {}
    order: tuple[str, ...] | None = None
    events: tuple[LiveEvent, ...] = ()
    """What has happened since the last part; the first one has the last events before it."""


class LiveHead(msgspec.Struct, frozen=True):
    """Figures of the whole cluster (overview), or of a page of a list."""

    version: str = ""
    nodes: int = 0
    troubled: int = 0
    streams: int = 0
    viewers: int = 0
    suffering: int = 0
    total: int = 0
    matched: int = 0


class LiveNode(msgspec.Struct, frozen=True):
    """One node. Loads are in percent of its own limits."""

    id: str
    kind: str
    state: str
    health: Health
    region: str = ""
    zone: str = ""
    version: str = ""
    trouble: Trouble | None = None
    why: str = ""
    since_ms: int = 0
    load: int = 0
    sessions: int = 0
    streams: int = 0
    viewers: int = 0
    suffering: int = 0
    left: int = 0


class LiveStream(msgspec.Struct, frozen=True):
    """A stream that is published, as lists of the feed have it."""

    app: str
    stream: str
    health: Health
    owner: str = ""
    trouble: Trouble | None = None
    viewers: int = 0
    suffering: int = 0
    heights: tuple[int, ...] = ()
    codecs: tuple[str, ...] = ()
    kbps: int = 0
    started_ms: int = 0


class LiveView:
    """One view, as far as its parts have told."""

    def __init__(self) -> None:
        self.at_ms = 0
        """When the server made what was told last."""
        self._head = msgspec.Raw()
        self._rows: dict[str, dict[str, msgspec.Raw]] = {}
        self._order: tuple[str, ...] | None = None

    def take(self, name: str, part: LivePart) -> None:
        """The next part, by the name of its event."""
        if name == SNAPSHOT:
            self._head, self._rows, self._order = msgspec.Raw(), {}, None
        self.at_ms = part.at_ms or self.at_ms
        if bytes(part.head):
            self._head = part.head
        for section, rows in part.rows.items():
            self._rows.setdefault(section, {}).update(rows)
        for section, keys in part.gone.items():
            for key in keys:
                self._rows.get(section, {}).pop(key, None)
        if part.order is not None:
            self._order = part.order

    def head(self) -> LiveHead:
        """Raises `NotOurs`."""
        return _decoded(self._head, LiveHead) if bytes(self._head) else LiveHead()

    def rows(self, section: str, kind: type[RowOf]) -> tuple[RowOf, ...]:
        """In their order. Raises `NotOurs`."""
        there = self._rows.get(section, {})
        keys = there if self._order is None else [key for key in self._order if key in there]
        return tuple(_decoded(there[key], kind) for key in keys)


def _decoded(raw: msgspec.Raw, kind: type[RowOf]) -> RowOf:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise NotOurs(f"the live feed has another shape than this version knows ({error})") from None
