"""What signaling needs from outside, as its domain sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Protocol

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts import permissions
from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    NodeInfo,
    NodeLoad,
    NodeReport,
    PlayRequest,
    PublishRequest,
    RestartIceAnswer,
    SessionAnswer,
    SessionChanged,
)
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import EndReason, MediaKind, NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.ports import Bus, Journal, KeyValue, WorkQueue
from rillcast.runtime.process.readiness import Readiness
from services.signaling.core.domain.join_stage import JoinStage

OwnerOf = Callable[[AppName, StreamId], NodeId | None]
"""The origin that has a stream now; None when nobody publishes it."""


class Reports(Protocol):
    """The nodes that live (`rillcast.runtime.discovery.directory.NodeDirectory`)."""

    def nodes(self, kind: NodeKind) -> dict[NodeId, NodeReport]:
        """The last report of each node of a kind that is heard of."""
        ...

    def placeable(self, kind: NodeKind) -> Mapping[NodeId, NodeReport]:
        """The last report of each node of a kind that takes new work, as far as is known: a view, made in no time."""
        ...


class MediaNodes(Protocol):
    """Requests to one origin or edge. Each raises `RillcastError`: the node's refusal, or NO_NODE_AVAILABLE when it
    does not answer in time."""

    async def publish(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        """Open a publisher's session at an origin."""
        ...

    async def play(self, node: NodeId, request: PlayRequest, timeout_s: float) -> SessionAnswer:
        """Open a viewer's session at an edge."""
        ...

    async def move_in(self, node: NodeId, request: PublishRequest, timeout_s: float) -> SessionAnswer:
        """Open a session at an origin in which a publisher goes on. The answer carries an offer."""
        ...

    async def accept(self, session: SessionId, node: NodeId, sdp_answer: str, timeout_s: float) -> None:
        """Hand a viewer's answer to its edge."""
        ...

    async def accept_move(self, session: SessionId, node: NodeId, sdp_answer: str) -> None:
        """Hand a publisher's answer to the origin that it moves to."""
        ...

    async def select(self, session: SessionId, node: NodeId, height: int) -> None:
        """Force a viewer's rendition; 0 = automatic."""
        ...

    async def mute(self, session: SessionId, node: NodeId, kind: MediaKind, enabled: bool) -> None:
        """Stop or resume one kind for a viewer."""
        ...

    async def describe(self, session: SessionId, node: NodeId, name: str, meta_data: str) -> None:
        """What a publisher says of its stream now."""
        ...

    async def restart_ice(self, session: SessionId, node: NodeId, ufrag: str, pwd: str) -> RestartIceAnswer:
        """New ICE credentials for both sides."""
        ...

    async def reoffer(self, session: SessionId, node: NodeId, sdp_offer: str) -> SessionAnswer:
        """A publisher's next offer in its living session, to restart ICE."""
        ...

    async def close(
        self,
        session: SessionId,
        node: NodeId,
        reason: EndReason,
        keep_stream_s: float = 0.0,
        *,
        forgotten: bool = False,
    ) -> bool:
        """End a session and wait for it. False when the node knows no such session. `keep_stream_s`: see
        `CloseRequest`. `forgotten`: nothing is kept of the session here, so its end needs not be told."""
        ...


class SessionEvents(Protocol):
    """Events of the sessions that were opened here."""

    def want(self, session: SessionId, receiver: Callable[[SessionChanged], None]) -> None:
        """Hand a session's events to `receiver`, which must not block, until `forget`."""
        ...

    def forget(self, session: SessionId) -> None:
        """Nobody wants the session's events any more."""
        ...


class Streams(Protocol):
    """The local view of what is live. Never leaves the process."""

    def live(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if media of it flows."""
        ...

    def all(self) -> Iterable[LiveStream]:
        """Every stream that somebody publishes, media or not yet."""
        ...

    def count(self, app: AppName, besides: StreamId) -> int:
        """Streams of an app other than `besides`."""
        ...


class WatchedStreams(Streams, Protocol):
    """The same, with what became of those that are not live."""

    @property
    def certain(self) -> bool:
        """Whether what is not known here is not live. False while the store cannot tell."""
        ...

    def has_lost_owner(self, app: AppName, stream: StreamId) -> bool:
        """Whether it is not live since its origin fell silent a moment ago, and its publisher is likely to return."""
        ...


class Apps(Protocol):
    """The apps that exist."""

    def settings(self, app: AppName) -> AppSettings | None:
        """None when there is no such app."""
        ...


class Broadcasts(Protocol):
    """What was set for single streams, live or not."""

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        """None when nothing was set for it."""
        ...

    def of_app(self, app: AppName) -> tuple[KeptBroadcast, ...]:
        """All of an app, in no order."""
        ...


class Subscribers(Protocol):
    """The subscribers of streams, as last heard of."""

    def of_stream(self, app: AppName, stream: StreamId) -> list[SubscriberRecord]:
        """All of a stream, in the order of their ids."""
        ...


class Audience(Protocol):
    """How many watch, cluster-wide, at most a second or two old."""

    def viewers(self, app: AppName, stream: StreamId) -> int: ...

    def viewers_of_app(self, app: AppName) -> int: ...


class LicenseState(Protocol):
    """What is known of the cluster license."""

    @property
    def suspended(self) -> bool:
        """True only when the license has expired and its grace time is over."""
        ...


class Host(Protocol):
    """The running node (`rillcast.runtime.process.node.Node`), as far as signaling uses it."""

    @property
    def bus(self) -> Bus: ...

    @property
    def directory(self) -> NodeDirectory: ...

    @property
    def info(self) -> NodeInfo: ...

    @property
    def readiness(self) -> Readiness: ...

    @property
    def loop_lag_s(self) -> float: ...

    async def kv(self, bucket: str, ttl_s: float | None = None) -> KeyValue: ...

    async def queue(self, row: permissions.Queue) -> WorkQueue: ...

    def journal(self, row: permissions.Journal) -> Journal: ...

    def spawn(self, coroutine: Coroutine[None, None, None], name: str) -> object: ...

    def on_drain(self, hook: Callable[[], Awaitable[None]]) -> None: ...

    def report_load(self, load: NodeLoad) -> None: ...


class Tally(Protocol):
    """Counts what happens. Words come from closed sets, since they become labels of metrics."""

    def command(self, command: str, outcome: str) -> None: ...

    def refused_input(self, reason: str) -> None: ...

    def joined(self, role: str, outcome: str, stage: JoinStage, seconds: float | None = None) -> None: ...

    def failed_over(self, seconds: float) -> None: ...

    def publisher_moved(self, outcome: str, seconds: float | None = None) -> None: ...
