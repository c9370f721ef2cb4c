"""A media plane that only takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rillcast.media.plane import WorkerPorts
from rillcast.media.protocol import Command, Event

CommandT = TypeVar("CommandT")


class FakePlane:
    """See `rillcast.media.plane.Plane`. `commands` holds what was executed, `emit` plays the plane's part."""

    def __init__(self, workers: int = 1, on_event: Callable[[Event], None] | None = None) -> None:
        self.commands: list[Command] = []
        self.pushed: list[tuple[int, list[bytes]]] = []
        self.closed = False
        self.on_event = on_event
        self._workers = [WorkerPorts(50_000 + i, 51_000 + i) for i in range(workers)]

    @property
    def fingerprint(self) -> str:
        """A certificate's fingerprint, always the same."""
        return ":".join(f"{byte:02X}" for byte in range(32))

    @property
    def workers(self) -> Sequence[WorkerPorts]:
        """See `Plane.workers`."""
        return self._workers

    def execute(self, command: Command) -> None:
        """See `Plane.execute`."""
        if self.closed:
            raise ValueError("the plane is closed")
        self.commands.append(command)

    def push_rtp(self, source: int, packets: Sequence[bytes]) -> None:
        """See `Plane.push_rtp`."""
        self.pushed.append((source, list(packets)))

    def close(self) -> None:
        """See `Plane.close`."""
        self.closed = True

    def emit(self, event: Event) -> None:
        """Let an event come out of the plane."""
        if self.on_event is None:
            raise RuntimeError("nobody handles this plane's events")
        self.on_event(event)

    def of(self, kind: type[CommandT]) -> list[CommandT]:
        """The commands of one kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]
