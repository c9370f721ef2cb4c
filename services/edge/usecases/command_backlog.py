"""Commands for the media plane that nobody waits for. Nobody could be refused when the plane is too busy for one, so
they are kept in order and handed over a little later."""

from __future__ import annotations

from collections import deque

from rillcast.media.plane import PlaneBusy
from rillcast.media.protocol import Command
from services.edge import metrics
from services.edge.ports import Plane

MAX_WAITING = 50_000
"""More than that wait for a plane that has stopped working; the oldest are dropped and counted."""


class CommandBacklog:
    """It stands between the use cases and the plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._waiting: deque[Command] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def execute(self, command: Command) -> None:
        """Have it done now, or soon if the plane is busy. Raises ValueError when it is impossible."""
        if self._waiting or not self._took(command):
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                metrics.COMMANDS_DROPPED.inc()
            self._waiting.append(command)

    def tick(self) -> None:
        """Hand over what waits. Call many times a second."""
        while self._waiting and self._took(self._waiting[0]):
            self._waiting.popleft()

    def _took(self, command: Command) -> bool:
        try:
            self._plane.execute(command)
        except PlaneBusy:
            return False
        return True
