"""Events as Server-Sent Events."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager

import msgspec
from starlette.types import Send

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.event_records import EVENTS_IN_ENTRY, ClusterEvent, EventKind
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.usecases.event_feed import EventFeed, Happened, Listener, Missed
from services.signaling.rest.adapters import server_sent
from services.signaling.rest.adapters.server_sent import RETRY_MS, Admit, ServerSent, now
from services.signaling.rest.domain.listening import Wanted

log = get_logger(__name__)

_LOST = "some of what happened since the last event that you know is not kept any more"


class EventStreamAnswer(ServerSent[Listener]):
    """See `ServerSent`."""

    bye = b": this is the end; come back with Last-Event-ID\n\n"

    def __init__(self, feed: EventFeed, wanted: Wanted, client: str, admit: Admit) -> None:
        """`client`: who shares the places of listeners, as `Client.counted_as`."""
        super().__init__(admit)
        self._feed = feed
        self._wanted = wanted
        self._client = client

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """See `ServerSent.listening`."""
        with self._feed.place(self._client), self._feed.listening(self._wanted.after) as listener:
            yield listener

    def head(self, listener: Listener) -> bytes:
        """See `ServerSent.head`."""
        return b"retry: %d\nid: %d-%d\n\n" % (RETRY_MS, *listener.after)

    async def tell(self, listener: Listener, send: Send) -> None:
        """See `ServerSent.tell`."""
        async with aclosing(listener.events(server_sent.PAUSE_S)) as told:
            async for found in told:
                await self.look()
                if isinstance(found, Missed):
                    await self.send(send, missed(found))
                elif events := [one for one in found if self._wanted.fits(one.event)]:
                    await self.send(send, encoded(events))
                elif now() - self.sent_at >= server_sent.PAUSE_S:
                    await self.send(send, silence(found))

    def why(self, error: RillcastError) -> str:
        """See `ServerSent.why`."""
        log.info("A listener to events was let go", reason=error.loggable)
        return "store"

    def count_cut(self, reason: str) -> None:
        """See `ServerSent.count_cut`."""
        metrics.EVENT_LISTENERS_CUT.labels(reason).inc()


def encoded(events: Sequence[Happened]) -> bytes:
    """Events in the form of the standard."""
    return b"".join(_event(one.place, one.part, one.event) for one in events)


def missed(gap: Missed) -> bytes:
    """That events are missing here, as an event of its own."""
    event = ClusterEvent(kind=EventKind.EVENTS_MISSED, at_ms=int(time.time() * 1_000), why=_LOST)
    return _event(gap.place, EVENTS_IN_ENTRY, event)


def silence(passed_over: Sequence[Happened]) -> bytes:
    """A comment. Whoever comes back need not be told anew what was passed over."""
    last = b"id: %d-%d\n" % (passed_over[-1].place, passed_over[-1].part) if passed_over else b""
    return last + b": nothing happens\n\n"


def _event(place: int, part: int, event: ClusterEvent) -> bytes:
    return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (place, part, event.kind.value.encode(), msgspec.json.encode(event))
