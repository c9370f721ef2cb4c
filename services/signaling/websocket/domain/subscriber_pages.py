"""Pages of the subscribers of a stream, of which there may be tens of thousands: put in order once a second at most."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from rillcast.contracts.access_records import SubscriberRecord
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.ports import Subscribers

KEPT_S = 1.0
MOST_KEPT = 16
"""Streams whose list is kept. What is asked about more streams than these is put in order each time."""


class SubscriberPages:
    """One per signaling instance."""

    def __init__(self, subscribers: Subscribers, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._subscribers = subscribers
        self._clock = clock
        self._lists: OrderedDict[tuple[AppName, StreamId], tuple[float, list[SubscriberRecord]]] = OrderedDict()

    def page(self, app: AppName, stream: StreamId, offset: int, size: int) -> list[SubscriberRecord]:
        """Some of the subscribers of a stream by their id, as they were a second ago at most."""
        now, name = self._clock(), (app, stream)
        made_at, found = self._lists.pop(name, (now - KEPT_S, []))
        if now - made_at >= KEPT_S:
            made_at, found = now, self._subscribers.of_stream(app, stream)
        self._lists[name] = made_at, found
        if len(self._lists) > MOST_KEPT:
            self._lists.popitem(last=False)
        return found[offset : offset + size]
