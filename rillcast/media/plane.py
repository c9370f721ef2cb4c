"""The one door to the native media plane: typed commands in, typed events out.

The plane's threads never touch Python. They wake the event loop through one file descriptor. A few events are fetched
and handled in each turn of the loop, in order, and the descriptor stays readable while there are more. A handler that
fails loses no other event. Its failure is what `Plane.until_failure` raises, and it ends the node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.media.protocol import Command, Event, PlaneConfig, SourceId

if TYPE_CHECKING:
    from rillcast_native import RawSockets

log = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")

EventHandler = Callable[[Event], None]
PacketHandler = Callable[[SourceId, bytes], None]
"""Called with (source, whole clear RTP packet) for tapped sources."""


TURN = 64
"""Events and packets that are fetched and handled in one turn of the event loop: one takes between 4 µs (figures) and
50 µs."""


class PlaneBusy(RillcastError):
    """A worker of the plane is so far behind that it takes no more work for now; nothing was done. Whoever asked for
    that work is refused with HIGH_RESOURCE_USAGE unless the caller knows something better."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.HIGH_RESOURCE_USAGE, message)


class WorkerPorts(msgspec.Struct, frozen=True):
    """Where one worker of the plane receives: its ports for clients, and for relays."""

    media_port: int
    relay_port: int


class Egress(msgspec.Struct, frozen=True):
    """How media leaves for viewers, as was chosen when the plane started."""

    raw: bool
    """Past the UDP sockets."""
    why_not: str = ""
    """Why it is not, although that was wished."""


class Plane(Protocol):
    """What services use; `NativePlane` is the real one, `rillcast.testing.plane.FakePlane` records commands."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the node's DTLS certificate, ``AA:BB:…``."""
        ...

    @property
    def workers(self) -> Sequence[WorkerPorts]: ...

    def execute(self, command: Command) -> None:
        """Hand a command over. Raises ValueError naming the field when it is impossible, and PlaneBusy when the worker
        is too far behind. Removals (RemoveSession, RemoveSource, RemoveRelay) are never refused as busy."""
        ...

    def push_rtp(self, source: SourceId, packets: Sequence[bytes]) -> None:
        """Feed a push source with whole RTP packets (any SSRC and payload type; sequence numbers must be
        continuous). Raises ValueError for an unknown source, and PlaneBusy when the worker is too far behind."""
        ...

    async def until_failure(self) -> None:
        """Wait for ever, or until a handler or the plane itself fails: then raise what the first one raised. That is
        our bug, and what our tables hold is no longer what the plane does, so the node is to end (`Node.spawn`
        this)."""
        ...

    def close(self) -> None:
        """Stop the threads; every session gets BYE and close_notify. Threads that hang are waited for some seconds and
        then left to the end of the process."""
        ...


class NativePlane:
    """`Plane` on the Rust extension. Create inside a running event loop; handlers run on that loop."""

    def __init__(
        self,
        config: PlaneConfig,
        on_event: EventHandler,
        on_packet: PacketHandler | None = None,
        raw: RawSockets | None = None,
    ) -> None:
        """`raw`: from `rillcast.media.raw.claim`. Raises OSError when something of the system can't be had: an
        address, a thread, or a way past the sockets that `config` demands."""
        import rillcast_native

        self._busy = rillcast_native.PlaneBusy
        encoded = msgspec.json.encode(config)
        self._native = rillcast_native.Plane(encoded) if raw is None else rillcast_native.Plane(encoded, raw)
        self._handlers = Handlers()
        self._on_event = on_event
        self._on_packet = on_packet
        self._decode = msgspec.json.Decoder(Event).decode
        self._encode = msgspec.json.Encoder().encode
        self._workers = tuple(WorkerPorts(media, relay) for media, relay in self._native.ports())
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._native.fileno(), self._wake)

    @property
    def fingerprint(self) -> str:
        return self._native.fingerprint()

    @property
    def workers(self) -> Sequence[WorkerPorts]:
        return self._workers

    @property
    def egress(self) -> Egress:
        """How media leaves for viewers."""
        raw, why_not = self._native.egress()
        return Egress(raw, why_not or "")

    def execute(self, command: Command) -> None:
        try:
            self._native.execute(self._encode(command))
        except self._busy as error:
            raise PlaneBusy(str(error)) from None

    def push_rtp(self, source: SourceId, packets: Sequence[bytes]) -> None:
        try:
            self._native.push_rtp(source, list(packets))
        except self._busy as error:
            raise PlaneBusy(str(error)) from None

    async def until_failure(self) -> None:
        await self._handlers.until_failure()

    def close(self) -> None:
        self._loop.remove_reader(self._native.fileno())
        if hanging := self._native.close():
            log.error("Media threads hang and are left to the end of the process: %d", hanging)

    def _wake(self) -> None:
        """The plane has something to tell. Called by the event loop once in every turn until nothing is left."""
        try:
            events, packets = self._native.poll(TURN)
        except Exception as error:  # noqa: BLE001 - whatever it is: a plane that says nothing any more ends the node
            self._loop.remove_reader(self._native.fileno())
            self._handlers.failed(error)
            return
        for event in events:
            self._handlers.call(self._decoded, event)
        if self._on_packet is not None:
            for source, packet in packets:
                self._handlers.call(self._on_packet, SourceId(source), packet)

    def _decoded(self, event: bytes) -> None:
        self._on_event(self._decode(event))


class Handlers:
    """Calls handlers one after the other; one that fails keeps no other from being called, and is remembered."""

    def __init__(self) -> None:
        self._failure: Exception | None = None
        self._failed = asyncio.Event()

    def call(self, handler: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        """Call one handler. Once per event, and per packet of a tapped source."""
        try:
            handler(*arguments)
        except Exception as error:
            if self._failure is not None:
                log.exception("A handler of the media plane's events failed after another one")
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """What happened can't be handled. Only the first counts."""
        if self._failure is None:
            self._failure = error
            self._failed.set()

    async def until_failure(self) -> None:
        """See `Plane.until_failure`."""
        await self._failed.wait()
        if self._failure is not None:
            raise self._failure
