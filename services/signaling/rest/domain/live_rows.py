"""What the live feed tells, row by row. A row is sent anew when anything of it has changed, so figures are rounded."""

from __future__ import annotations

import msgspec

from rillcast.contracts.event_records import ClusterEvent
from rillcast.contracts.health import Health, Trouble
from rillcast.contracts.messages import DrainProgress, FeedLook, MachineMemory, ViewerLook
from rillcast.contracts.words import NodeKind
from services.signaling.rest.domain.session_shapes import JoinStatus


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has a key of its own."""


class NodeRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One node. Loads are in percent of its own limits."""

    id: str
    kind: NodeKind
    region: str = ""
    zone: str = ""
    version: str = ""
    state: str
    """ready, not_ready, draining, drained, doubted, frozen, missing, isolated, dead."""
    health: Health
    trouble: Trouble | None = None
    why: str = ""
    """Why it is not ready, in words."""
    since_ms: int = 0
    """When its process began, about."""
    heard_ms: int = 0
    """When it was heard last; only of nodes that are silent."""
    load: int = 0
    """The highest of the loads below."""
    cpu: int = 0
    packets: int = 0
    egress: int = 0
    lag: int = 0
    sessions: int = 0
    encoders: int = 0
    streams: int = 0
    viewers: int = 0
    suffering: int = 0
    left: int = 0
    """How many sessions are left of a drain."""


class GroupRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """All nodes of one zone."""

    region: str = ""
    zone: str = ""
    nodes: int = 0
    kinds: dict[str, int] = {}
    troubled: int = 0
    """Nodes that are not well."""
    health: Health = Health.GOOD
    """Of the worst node."""
    load: int = 0
    """Of the busiest node."""
    viewers: int = 0
    suffering: int = 0
    streams: int = 0


class LinkRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Who feeds whom, of nodes or of zones."""

    parent: str
    child: str
    tracks: int
    streams: int


class StreamRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One stream, as a line of a list."""

    app: str
    stream: str
    name: str = ""
    """What the publisher calls it."""
    owner: str = ""
    health: Health
    trouble: Trouble | None = None
    viewers: int = 0
    suffering: int = 0
    edges: int = 0
    """How many edges carry it, as far as they name it."""
    kbps: int = 0
    """What the publisher sends, all tracks together."""
    heights: tuple[int, ...] = ()
    """Of the video renditions, the highest first."""
    codecs: tuple[str, ...] = ()
    started_ms: int = 0
    publish_type: str = ""


class TrackRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One rendition of a track, where it is made."""

    track: str
    mid: str
    kind: str
    codec: str
    node: str
    kbps: int = 0
    width: int = 0
    height: int = 0


class CarrierRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One edge that carries the stream, and what it told when it was asked."""

    node: str
    zone: str = ""
    viewers: int = 0
    health: Health = Health.GOOD
    feeds: tuple[FeedLook, ...] = ()


class WatcherRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One viewer, as its edge sees it."""

    node: str
    join: str = ""
    """The id of its join in the journal; empty while that is not known here."""
    who: str = ""
    health: Health = Health.GOOD
    look: ViewerLook


class MoveRow(msgspec.Struct, frozen=True, kw_only=True):
    """So many viewers have moved from one node to another."""

    left: str
    to: str
    viewers: int


class OverviewHead(msgspec.Struct, frozen=True, kw_only=True):
    """The whole cluster in a few figures."""

    version: str
    grouped: bool
    """Whether there are too many nodes to show each: then those in trouble are."""
    nodes: int
    troubled: int
    streams: int
    viewers: int
    suffering: int
    health: dict[str, int]
    """Streams by their health."""
    troubles: dict[str, int]
    """Viewers by what they suffer from, as far as nodes name it."""


class PageHead(msgspec.Struct, frozen=True, kw_only=True):
    """Of a page of a list."""

    total: int
    matched: int
    offset: int
    size: int


class NodeHead(msgspec.Struct, frozen=True, kw_only=True):
    """One node, closely."""

    found: bool
    node: NodeRow | None = None
    address: str = ""
    memory: MachineMemory | None = None
    drain: DrainProgress | None = None
    level: int = 0
    standbys: tuple[str, ...] = ()
    note: str = ""


class StreamHead(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, closely."""

    found: bool
    stream: StreamRow | None = None
    epoch: int = 0
    silent: bool = False
    backup: str = ""
    packets: int = 0
    packets_lost: int = 0
    received_bytes: int = 0
    troubles: dict[str, int] = {}
    """Viewers by what they suffer from."""


class ViewerHead(msgspec.Struct, frozen=True, kw_only=True):
    """One join, closely."""

    found: bool
    join: JoinStatus | None = None
    look: ViewerLook | None = None
    """What its edge sees; null while it does not say."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the journal with its place."""

    id: str
    event: ClusterEvent
