"""The one door to the native media plane: typed commands in, typed events out.

The plane's threads never touch Python; they wake the event loop through one file descriptor at most once per batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from rillcast.media.protocol import Command, Event, PlaneConfig

EventHandler = Callable[[Event], None]
PacketHandler = Callable[[int, bytes], None]
"""Called with (source, whole clear RTP packet) for tapped sources."""


class WorkerPorts(msgspec.Struct, frozen=True):
    """The UDP ports of one worker."""

    media_port: int
    relay_port: int


class Plane(Protocol):
    """What services use; `NativePlane` is the real one, `rillcast.testing.plane.FakePlane` records commands."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the node's DTLS certificate, ``AA:BB:…``."""
        ...

    @property
    def workers(self) -> Sequence[WorkerPorts]: ...

    def execute(self, command: Command) -> None:
        """Hand a command over. Raises ValueError naming the field when it is impossible."""
        ...

    def push_rtp(self, source: int, packets: Sequence[bytes]) -> None:
        """Feed a push source with whole RTP packets (any SSRC and payload type; sequence numbers must be
        continuous)."""
        ...

    def close(self) -> None:
        """Stop the threads; every session gets BYE and close_notify."""
        ...


class NativePlane:
    """`Plane` on the Rust extension. Create inside a running event loop; handlers run on that loop."""

    def __init__(self, config: PlaneConfig, on_event: EventHandler, on_packet: PacketHandler | None = None) -> None:
        import rillcast_native

        self._native = rillcast_native.Plane(msgspec.json.encode(config))
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

    def execute(self, command: Command) -> None:
        self._native.execute(self._encode(command))

    def push_rtp(self, source: int, packets: Sequence[bytes]) -> None:
        self._native.push_rtp(source, list(packets))

    def close(self) -> None:
        self._loop.remove_reader(self._native.fileno())
        self._native.close()

    def _wake(self) -> None:
        events, packets = self._native.poll()
        for event in events:
            self._on_event(self._decode(event))
        if self._on_packet is not None:
            for source, packet in packets:
                self._on_packet(source, packet)
