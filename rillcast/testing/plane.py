"""A media plane that only takes notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rillcast.media.plane import Handlers, PlaneBusy, WorkerPorts
from rillcast.media.protocol import Command, Event, RemoveRelay, RemoveSession, RemoveSource, SourceId

CommandT = TypeVar("CommandT")

REMOVALS = (RemoveSession, RemoveSource, RemoveRelay)


class FakePlane:
    """See `rillcast.media.plane.Plane`. `commands` holds what was executed, `emit` plays the plane's part."""

    def __init__(self, workers: int = 1, on_event: Callable[[Event], None] | None = None) -> None:
        self.commands: list[Command] = []
        self.pushed: list[tuple[SourceId, list[bytes]]] = []
        self.closed = False
        self.busy = False
        """Set to have everything but removals refused with PlaneBusy."""
        self.busy_for: tuple[type[Command], ...] = ()
        """Set to have these commands refused likewise."""
        self.on_event = on_event
        self._handlers = Handlers()
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
        if isinstance(command, self.busy_for) or (self.busy and not isinstance(command, REMOVALS)):
            raise PlaneBusy("this fake is busy")
        self.commands.append(command)

    def push_rtp(self, source: SourceId, packets: Sequence[bytes]) -> None:
        """See `Plane.push_rtp`."""
        if self.busy:
            raise PlaneBusy("this fake is busy")
        self.pushed.append((source, list(packets)))

    async def until_failure(self) -> None:
        """See `Plane.until_failure`."""
        await self._handlers.until_failure()

    def close(self) -> None:
        """See `Plane.close`."""
        self.closed = True

    def emit(self, *events: Event) -> None:
        """Let a batch of events come out of the plane. Each is handed over, whatever the handler does with the others;
        then what the first one raised is raised to the test as well."""
        if self.on_event is None:
            raise RuntimeError("nobody handles this plane's events")
        errors: list[Exception] = []
        for event in events:
            self._handlers.call(self._hand_over, event, errors)
        if errors:
            raise errors[0]

    def _hand_over(self, event: Event, errors: list[Exception]) -> None:
        assert self.on_event is not None
        try:
            self.on_event(event)
        except Exception as error:
            errors.append(error)
            raise

    def of(self, kind: type[CommandT]) -> list[CommandT]:
        """The commands of one kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]
