"""Where the plane's events and packets go. The plane wants its handlers before those exist who need the plane; this
stands between."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.media.plane import EventHandler
from rillcast.media.protocol import Event, SourceId


class PlaneEvents:
    """Calls its handlers in the order they were added, on the event loop. Give `self` to the plane as its event handler
    and `packet` as its packet handler. A handler must not block."""

    def __init__(self) -> None:
        self._on_event: list[EventHandler] = []
        self._on_packet: list[Callable[[SourceId, bytes], None]] = []

    def add(self, handler: EventHandler) -> None:
        """Hear every event from now on, as often as the plane has something to say."""
        self._on_event.append(handler)

    def add_packets(self, handler: Callable[[SourceId, bytes], None]) -> None:
        """Hear (source, whole clear RTP packet) for every packet of tapped sources from now on."""
        self._on_packet.append(handler)

    def packet(self, source: SourceId, data: bytes) -> None:
        """Take in a packet of a tapped source."""
        for handler in self._on_packet:
            handler(source, data)

    def __call__(self, event: Event) -> None:
        for handler in self._on_event:
            handler(event)
