"""What the REST room needs from outside, besides the core's ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import DrainProgress, DrainRequest, LicenseStatus, LicenseUsage, NodeReport
from rillcast.contracts.words import EndReason


class Nodes(Protocol):
    """Every node that is heard of."""

    def all(self) -> list[NodeReport]: ...

    def get(self, node: NodeId) -> NodeReport | None:
        """The last report of a node that sends heartbeats; None when it is gone."""
        ...

    def died(self, node: NodeId) -> bool:
        """Whether a node was taken for gone without a goodbye, and has not been heard of since."""
        ...


class DrainedNodes(Protocol):
    """Nodes that can be emptied."""

    async def drain(self, node: NodeId, request: DrainRequest) -> DrainProgress:
        """Ask a node to drain, or about it. Raises `RillcastError` when it does not answer, or refuses."""
        ...


class PublishedStreams(Protocol):
    """The local view of what is published. Never leaves the process."""

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None:
        """The stream, if somebody publishes it, media or not yet."""
        ...

    async def successor(
        self, app: AppName, stream: StreamId, session: SessionId, timeout_s: float
    ) -> LiveStream | None:
        """The stream as soon as its publisher has another session than this one; None when that does not happen in
        time."""
        ...

    def all(self) -> Iterable[LiveStream]:
        """Every stream that somebody publishes."""
        ...


class Sessions(Protocol):
    """Sessions at origins and edges."""

    async def close(self, session: SessionId, node: NodeId, reason: EndReason) -> bool:
        """End a session and wait for it. False when the node knows no such session. Raises `RillcastError` when the
        node does not answer."""
        ...

    async def turn_away(self, node: NodeId, app: AppName, stream: StreamId) -> bool:
        """Have an origin send those away who want a stream and have not got it yet. Whether there was anybody. Raises
        `RillcastError` when the origin does not answer."""
        ...


class Licenses(Protocol):
    """The cluster's license service."""

    @property
    def status(self) -> LicenseStatus | None:
        """As last answered; None while nothing is known."""
        ...

    async def refresh(self) -> None:
        """Ask for the state anew. Does nothing when nobody answers."""
        ...

    async def check(self, document: str) -> LicenseStatus:
        """What a document would be worth. Raises `RillcastError`."""
        ...

    async def usage(self, first_day: str, last_day: str) -> LicenseUsage:
        """The signed usage report. Raises `RillcastError`: BAD_REQUEST names the day that is none."""
        ...
