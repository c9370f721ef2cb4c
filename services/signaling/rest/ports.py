"""What the REST room needs from outside, besides the core's ports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import (
    DrainProgress,
    DrainRequest,
    LicenseStatus,
    LicenseUsage,
    NodeInfo,
    NodeReport,
    TracesAnswer,
    TracesRequest,
)
from rillcast.contracts.words import EndReason
from rillcast.runtime.telemetry.kept_lines import Page
from services.signaling.core.domain.broadcast_index import Listed, Wanted
from services.signaling.rest.domain.system import (
    CpuUsage,
    FileSystem,
    ProcessMemory,
    ServerTime,
    SystemInfo,
    SystemMemory,
    Threads,
    ThreadState,
)


class Nodes(Protocol):
    """Every node that is heard of."""

    def all(self) -> list[NodeReport]: ...

    def get(self, node: NodeId) -> NodeReport | None:
        """The last report of a node that sends heartbeats; None when it is gone."""
        ...

    def died(self, node: NodeId) -> bool:
        """Whether a node was taken for gone without a goodbye, and has not been heard of since."""
        ...


class HeardNodes(Protocol):
    """The same, telling what it hears."""

    def all(self) -> list[NodeReport]: ...

    def died(self, node: NodeId) -> bool:
        """See `Nodes.died`."""
        ...

    def on_heard(self, listener: Callable[[NodeReport], None]) -> None:
        """Call `listener` with each heartbeat."""
        ...

    def on_gone(self, listener: Callable[[NodeReport], None]) -> None:
        """Call `listener` with the last report of each node that said goodbye or fell silent."""
        ...


class Traffic(NamedTuple):
    """What has gone over the network cards since the machine's start, in bytes."""

    sent: int
    received: int


class KeptLines(Protocol):
    """Lines of this instance's log (`rillcast.runtime.telemetry.kept_lines.KeptLines`)."""

    def __len__(self) -> int:
        """How many bytes there are."""
        ...

    def page(self, offset: int, size: int) -> Page:
        """At most `size` bytes from `offset` on; -1 = the last ones."""
        ...


class KeptLog(Protocol):
    """The latest lines of this instance's log."""

    @property
    def all(self) -> KeptLines: ...

    @property
    def errors(self) -> KeptLines: ...


class Machine(Protocol):
    """The machine and this process. Each question takes a millisecond at most, and looks at that moment."""

    @property
    def host(self) -> str:
        """The name of the machine."""
        ...

    def measure(self) -> None:
        """Take the load since the last call. To be called each few seconds: in between `cpu` says the same."""
        ...

    def cpu(self) -> CpuUsage:
        """The load as measured last, and what was used until now."""
        ...

    def process_memory(self) -> ProcessMemory:
        """How much memory this process has taken."""
        ...

    def system(self) -> SystemInfo:
        """What the machine is."""
        ...

    def memory(self) -> SystemMemory:
        """How much memory the whole machine has, and how much is free."""
        ...

    def disk(self) -> FileSystem:
        """The disk on which this process works."""
        ...

    def time(self) -> ServerTime:
        """For how long this process has run."""
        ...

    def traffic(self) -> Traffic:
        """Of all network cards but loopback."""
        ...

    def threads(self) -> Threads:
        """How many threads this process has."""
        ...

    def thread_states(self) -> list[ThreadState]:
        """Each thread of this process."""
        ...

    def thread_dump(self) -> str:
        """Where each thread of Python is in the code, without values."""
        ...


class DrainedNodes(Protocol):
    """Nodes that can be emptied."""

    async def drain(self, node: NodeId, request: DrainRequest) -> DrainProgress:
        """Ask a node to drain, or about it. Raises `RillcastError` when it does not answer, or refuses."""
        ...


class TracingNodes(Protocol):
    """Nodes that keep spans in memory."""

    async def traces(self, info: NodeInfo, request: TracesRequest) -> TracesAnswer:
        """What a node has kept. Raises `RillcastError` when it does not answer."""
        ...


class KnownBroadcasts(Protocol):
    """What was set for single streams, live or not, in the orders of lists."""

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None:
        """None when nothing was set for it."""
        ...

    def of_app(self, app: AppName) -> tuple[KeptBroadcast, ...]:
        """All of an app, in no order."""
        ...

    def streams(
        self, app: AppName, wanted: Wanted, others: Iterable[Listed] = (), seen: Mapping[StreamId, str] | None = None
    ) -> Sequence[StreamId]:
        """The ids of those that are wanted, in their order, and of `others`, which are not known here. `seen`: statuses
        that count in place of those that were set."""
        ...

    def of_status(self, app: AppName, *statuses: str) -> Iterator[StreamId]:
        """Those for which one of these statuses was set."""
        ...

    def subtracks(self, app: AppName, main: str) -> Iterator[StreamId]:
        """Those that belong to a main track, in no order."""
        ...


class Lives(Protocol):
    """What became of broadcasts."""

    def ended(self, app: AppName, stream: StreamId) -> bool:
        """Whether its end was seen and is still to be written."""
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
