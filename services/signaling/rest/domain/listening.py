"""What listeners to events ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from rillcast.contracts.event_records import ClusterEvent
from services.signaling.rest.domain.refusal import BadInput

_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,6})")
_KNOWN = ("app", "stream")


class Wanted(msgspec.Struct, frozen=True):
    """Which events are wanted. What is empty does not matter."""

    after: tuple[int, int] | None = None
    """The place of the last event that the client knows; None: it wants new ones alone."""
    app: str = ""
    stream: str = ""

    def fits(self, event: ClusterEvent) -> bool:
        """Whether an event is one of them."""
        return self.app in ("", event.app) and self.stream in ("", event.stream)


def wanted(last_event_id: str, query: Mapping[str, str]) -> Wanted:
    """What the header and the query ask for. Raises `BadInput` for an id that was not given out here, and for what
    there is not to be asked for."""
    for name in query:
        if name not in _KNOWN:
            raise BadInput(f"{name[:80]!r} is nothing that events can be asked for; there are {' and '.join(_KNOWN)}")
    after: tuple[int, int] | None = None
    if last_event_id:
        match = _ID.fullmatch(last_event_id)
        if match is None:
            raise BadInput(f"Last-Event-ID: {last_event_id[:80]!r} is no id of an event")
        after = int(match[1]), int(match[2])
    return Wanted(after, query.get("app", ""), query.get("stream", ""))
