"""Where the plane's events go. The plane wants its handler before those exist who need the plane; this stands
between."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.media.protocol import Event


class PlaneEvents:
    """Calls its handlers in the order they were added. Give `self` to the plane as its handler."""

    def __init__(self) -> None:
        self._handlers: list[Callable[[Event], None]] = []

    def add(self, handler: Callable[[Event], None]) -> None:
        """Hear every event from now on. Must not block."""
        self._handlers.append(handler)

    def __call__(self, event: Event) -> None:
        for handler in self._handlers:
            handler(event)
