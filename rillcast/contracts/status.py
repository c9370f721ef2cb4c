"""What `GET /rillcast/v1/status` answers: the whole cluster, as one signaling node sees it."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Codec, Count, DurationS, Few, Lines, Note, Text, UnixMs, Word
from rillcast.contracts.ids import AppName, NodeId, StreamId
from rillcast.contracts.messages import LicenseStatus, MachineMemory, NodeLoad, NodeReport, TreePlace
from rillcast.contracts.words import NodeKind, Role

STATUS_PATH = "/rillcast/v1/status"
APPS_PATH = "/rillcast/v1/apps"
"""It answers with a list of `AppStatus`."""
ME_PATH = "/rillcast/v1/me"
"""Who asks: name, roles and sessions."""
SETTING_WORDS_PATH = "/rillcast/v1/app-settings"
"""What each setting of an app means, its type and its default."""
OPENAPI_PATH = "/rillcast/v1/openapi.json"
"""The REST API as an OpenAPI document."""
LICENSE_PATH = "/rillcast/v1/license"
"""It answers with `messages.LicenseStatus`, asked from the license service at that moment."""
LICENSE_USAGE_PATH = "/rillcast/v1/license/usage"
"""It answers with `messages.LicenseUsage`. Query: ``from`` and ``to``, days as ``2026-09-14``, both included."""

NODES_PATH = "/rillcast/v1/nodes"
"""It answers with a list of `NodeStatus`."""
STREAMS_PATH = "/rillcast/v1/streams"
"""It answers with a list of `ServedStream`. Query: ``app``, ``offset`` and ``size``."""
SESSIONS_PATH = "/rillcast/v1/sessions"
"""The last joins and what became of them."""
TRACES_PATH = "/rillcast/v1/traces"
"""The latest traces that the nodes keep in memory."""
EVENTS_PATH = "/rillcast/v1/events"
"""What happens, as Server-Sent Events. The data of each is an `event_records.ClusterEvent`."""
LIVE_PATH = "/rillcast/v1/live"
"""What the console shows, as Server-Sent Events. Query: ``view`` and what that view can be asked for."""
PREVIEW_PATH = "/rillcast/v1/apps/{app}/streams/{stream}/preview"
"""A small picture of a stream, made when it is asked for."""
NODE_DRAIN_PATH = "/rillcast/v1/nodes/{node}/drain"
"""How far one node is with its drain; POST begins it, DELETE takes it back."""


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stream that somebody publishes."""

    app: AppName
    stream: StreamId
    origin: NodeId
    epoch: Count
    viewers: Count
    media_flowing: bool
    started_at_ms: UnixMs
    """By the wall clock, in Unix milliseconds; for display only."""
    codecs: tuple[Codec, ...] = ()
    renditions: tuple[Lines, ...] = ()
    """The heights of the video renditions in lines, the highest first; empty while they are unknown."""
    publish_type: Word = "WebRTC"
    backup: StreamId | None = None
    """The stream that viewers are shown now, because nothing comes from the publisher; null: this one."""


class CarriedBy(msgspec.Struct, frozen=True, kw_only=True):
    """A node at which a stream is present."""

    node: NodeId
    kind: NodeKind
    viewers: Count = 0
    level: Count = 0
    """How many relays it is away from the origin; 0 = the origin itself."""
    parents: Few = ()
    """From whom this node is fed, of all streams together."""


class ServedStream(StreamStatus, frozen=True, kw_only=True):
    """One stream with the nodes that carry it."""

    nodes: tuple[CarriedBy, ...] = ()
    """As far as they name it: each node names at most 500 streams, those with the most viewers. The nearest to the
    origin first."""


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One node, alive or dead for a while."""

    node: NodeId
    kind: NodeKind
    region: Word = ""
    zone: Word = ""
    version: Word
    address: Word
    alive: bool
    state: Text
    """In words: ready, draining, drained, dead, or why it is not ready."""
    heard_at_ms: UnixMs
    """When it was heard last, by the wall clock of the node that answers."""
    up_s: DurationS = 0.0
    load: NodeLoad
    memory: MachineMemory | None = None
    """Of its machine; null from a node that does not say it."""
    streams: Count = 0
    """How many it names; at most 500."""
    viewers: Count = 0
    """Of these streams, at this node."""
    tree: TreePlace | None = None
    """Where it stands in the relay tree; null where nobody feeds it."""
    note: Note = ""
    """What an operator wrote about it."""


class AppStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One app: what everybody may do in it, and what goes on."""

    app: AppName
    open_to: tuple[Role, ...] = ()
    """What needs no token of anybody: ``publish``, ``play``."""
    streams: Count = 0
    viewers: Count = 0


class ClusterStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole cluster at one moment: its nodes, streams, viewers and license."""

    version: Word
    nodes: tuple[NodeReport, ...]
    streams: tuple[StreamStatus, ...]
    viewers: Count
    license: LicenseStatus | None = None
    """None while no license service answers."""
