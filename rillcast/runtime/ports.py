"""What services need from outside, as protocols. Real adapters and fakes pass one contract suite (tests/contract)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo
from rillcast.contracts.words import NodeKind

Request = TypeVar("Request", bound=msgspec.Struct)
Answer = TypeVar("Answer", bound=msgspec.Struct)
Event = TypeVar("Event", bound=msgspec.Struct)


class Bus(Protocol):
    """Request/reply and events between processes. Messages are bounded (1 MiB); trace context travels along."""

    @property
    def connected(self) -> bool:
        """Whether the server is reachable right now."""
        ...

    @property
    def hearing(self) -> int:
        """Which time of uninterrupted hearing this is, numbered from 1; 0 while nothing gets through, since the
        connection is gone or the server does not answer. Silence of somebody says something only within one such time:
        who waits for a sign of life begins to wait anew when the number has changed."""
        ...

    async def request(
        self, subject: str, message: msgspec.Struct, answer: type[Answer], *, timeout_s: float = 3.0
    ) -> Answer:
        """Ask, and wait for the answer. Raises `RillcastError` as the other side refused; NO_NODE_AVAILABLE (as
        `errors.Unanswered`) when nobody listens, the deadline passed, the bus is down or stalled, or the other side
        speaks another version of the protocol between nodes."""
        ...

    async def serve(
        self,
        subject: str,
        request: type[Request],
        handler: Callable[[Request], Awaitable[msgspec.Struct]],
        *,
        queue: str = "",
    ) -> None:
        """Answer requests until the bus closes; survives reconnects. At most 1 000 at a time run concurrently, more are
        refused with HIGH_RESOURCE_USAGE. `RillcastError` becomes a failure, anything else is logged and becomes
        SERVER_ERROR. A handler is cancelled when the asker's deadline has passed."""
        ...

    async def emit(self, subject: str, event: msgspec.Struct) -> None:
        """Send an event. Dropped and counted while the bus is down, and when it can't be encoded or is too large: who
        tells others something never fails because of it."""
        ...

    async def listen(self, subject: str, event: type[Event], handler: Callable[[str, Event], Awaitable[None]]) -> None:
        """Call `handler(subject, event)` for every event in order. Undecodable ones, and those of another version of
        the protocol between nodes, are counted and skipped."""
        ...


class Entry(msgspec.Struct, frozen=True):
    """A key with its value and revision; ``value`` is None when the key is gone."""

    key: str
    value: bytes | None
    revision: int


class Snapshot(msgspec.Struct, frozen=True):
    """What was in a bucket."""

    entries: list[Entry]
    upto: int
    """No write up to this revision is missing. 0 = nothing was there."""


class KeyValue(Protocol):
    """A bucket with compare-and-set. Every method raises `RillcastError(STORE_UNAVAILABLE)` when the store can't be
    reached; a write may then have happened or not. Revisions grow for ever, also when the store lost its state.
    But a store that returned to an earlier state (after a power cut, or out of an old copy) gives out revisions again
    that others have had: who must not mix these up writes something of its own beside them."""

    async def get(self, key: str) -> Entry | None:
        """The entry under `key`; None when there is none, or when it was deleted."""
        ...

    async def create(self, key: str, value: bytes) -> int | None:
        """Write `value` if nothing is under `key`. The revision of the write; None when the key exists already."""
        ...

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        """Write `value` if the entry still has this `revision`. The new revision; None when somebody wrote since."""
        ...

    async def put(self, key: str, value: bytes) -> int:
        """Write `value`, whatever was there before. Returns the revision of the write."""
        ...

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        """Delete the entry. The revision of the deletion; 0 when there was nothing to delete. None when a `revision` is
        given that is no longer the current one: then nothing was deleted."""
        ...

    async def entries(self) -> list[Entry]:
        """Every entry that is there at this moment, in no order. Reads the whole bucket, so it is not for each
        request."""
        ...

    async def snapshot(self) -> Snapshot:
        """The same, and how far it goes, for a watch that goes on from there."""
        ...

    @property
    def heard(self) -> int:
        """0 while a watch is silent for longer than it may be or starts anew, so that changes may have been missed;
        else the number of the present time of uninterrupted hearing, which only grows. As `Bus.hearing`, for the
        store."""
        ...

    def watch(self, after: int = 0) -> AbstractAsyncContextManager[AsyncIterator[Entry]]:
        """All present entries first, then changes as they happen; quick ones of one key may come as the last one only.
        `after`: where a snapshot of this bucket ended; then only what was written since comes first, deletions too.
        After a reconnect the present entries come again, with deletions missed meanwhile.
        Keys that expire by TTL are *not* announced: who needs that looks at the time since the last write."""
        ...


class Queued(msgspec.Struct, frozen=True):
    """What waits in a line."""

    place: int
    """Its number in the whole queue; later ones have higher numbers."""
    value: bytes


class WorkQueue(Protocol):
    """Work that waits in lines until somebody has done it, in the store, bounded as its row in the table of permissions
    says. Every method raises `RillcastError(STORE_UNAVAILABLE)` when the store can't be reached; what was to be put may
    then be there or not."""

    async def put(self, line: str, value: bytes, name: str) -> bool:
        """Append to a line. What comes under the same `name` again soon is not appended twice. False when the line, or
        the queue, is full."""
        ...

    async def first(self, line: str, after: int = 0) -> Queued | None:
        """What waits longest in a line, behind the place `after`; None when nothing does."""
        ...

    async def done(self, place: int) -> None:
        """It waits no more. What is gone already counts as done."""
        ...

    async def lines(self) -> dict[str, int]:
        """The lines in which something waits, with how much."""
        ...


class Noted(msgspec.Struct, frozen=True):
    """An entry of a journal."""

    place: int
    """Its number; later entries have higher ones."""
    value: bytes


class Journal(Protocol):
    """Entries in the order in which the store took them, bounded as the journal's row in the table of permissions says:
    the oldest go first. The numbers of entries that follow each other do so as well."""

    async def append(self, value: bytes, name: str = "") -> None:
        """Write an entry. What comes under the same `name` again within two minutes is not written twice. Raises
        `RillcastError(STORE_UNAVAILABLE)` when the store can't be reached; the entry may then be there or not."""
        ...

    async def bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest entry. Where there is none, the oldest is the one that comes
        next, and the newest one less. Raises `RillcastError(STORE_UNAVAILABLE)`."""
        ...

    def follow(self, after: int) -> AbstractAsyncContextManager[AsyncIterator[Noted]]:
        """Every entry with a higher number than `after` that is still there, then new ones as they come. After an
        interruption it goes on where it was."""
        ...


class Discovery(Protocol):
    """Which nodes exist and pass their checks, as a registry or the bus tells it."""

    async def register(self, info: NodeInfo) -> None:
        """Make this node known with an HTTP check on its /readyz; keeps it registered until `deregister`, also when the
        registry was away, restarted or emptied."""
        ...

    async def announce(self, ready: bool) -> None:
        """Let the others know at once that this node takes new work now, or no more; without it they learn of it by the
        next check. Called after each change, also before `register`."""
        ...

    async def deregister(self) -> None:
        """Make this node unknown again. Called once, on the way out; if the registry is away, the entry expires by its
        check."""
        ...

    async def abandon(self) -> None:
        """Another process has this node's id: keep nothing registered any more, and take nothing back. `deregister`
        does nothing afterwards."""
        ...

    def nodes(self, kind: NodeKind) -> Mapping[NodeId, NodeInfo]:
        """Healthy nodes as last seen. Keeps its last answer while the registry is away. An answer is never changed:
        what is new comes with another one."""
        ...

    @property
    def reachable(self) -> bool:
        """Whether the registry answers right now. If not, `nodes` answers from memory."""
        ...
