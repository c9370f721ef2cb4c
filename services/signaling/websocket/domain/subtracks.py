"""Broadcasts that belong to a main track, as clients on sockets are told of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from rillcast.contracts.broadcast_records import KeptBroadcast
from rillcast.contracts.ids import AppName, StreamId
from services.signaling.core.domain import stream_info
from services.signaling.core.domain.stream_info import Broadcast
from services.signaling.core.ports import Audience, Streams
from services.signaling.websocket.domain.asked import MOST_OF_A_LIST, Question

NO_ADDRESS = ""
"""``originAdress`` is where other nodes reach the origin. Clients have no business there."""
MOST_BYTES = 192 * 1024
"""Of a list of broadcasts: what a client must be able to take in one frame. The next ones are asked for by offset."""
_OPERATORS_ONLY = frozenset(
    {"username", "password", "ipAddr", "streamUrl", "listenerHookURL", "originAdress", "rtmpURL", "playListItemList"}
)
"""What a broadcast has for operators: passwords, and addresses that may have some in them."""


class KnownBroadcasts(Protocol):
    """The part of `BroadcastCatalog` that questions need."""

    def get(self, app: AppName, stream: StreamId) -> KeptBroadcast | None: ...

    def subtracks(self, app: AppName, main: str) -> Iterator[StreamId]: ...


class Subtracks:
    """Answers from memory. One per signaling instance."""

    def __init__(self, streams: Streams, broadcasts: KnownBroadcasts, audience: Audience) -> None:
        self._streams = streams
        self._broadcasts = broadcasts
        self._audience = audience

    def has_any(self, asked: Question) -> bool:
        """Whether the stream is a main track; it need not exist."""
        return next(self._broadcasts.subtracks(asked.app, asked.stream), None) is not None

    def count(self, asked: Question) -> int:
        """How many are as it is asked."""
        return len(self._wanted(asked))

    def ids(self, asked: Question) -> list[StreamId]:
        """The first of them by their ids."""
        return sorted(self._broadcasts.subtracks(asked.app, asked.stream))[:MOST_OF_A_LIST]

    def page(self, asked: Question) -> list[str]:
        """One page of them, each a text of JSON."""
        page: list[str] = []
        size = 0
        for stream in self._wanted(asked)[asked.offset : asked.offset + min(asked.size, MOST_OF_A_LIST)]:
            if (record := self._broadcasts.get(asked.app, stream)) is None:
                continue
            text = msgspec.json.encode(told(self._shown(asked.app, record))).decode()
            size += len(text.encode())
            if page and size > MOST_BYTES:
                break
            page.append(text)
        return page

    def _wanted(self, asked: Question) -> list[StreamId]:
        found = sorted(self._broadcasts.subtracks(asked.app, asked.stream))
        if asked.role or asked.status or asked.search or asked.sort_by:  # which takes a look at each of them
            records = [record for one in found if (record := self._broadcasts.get(asked.app, one)) is not None]
            records = [record for record in records if self._is_wanted(asked, record)]
            records.sort(key=lambda record: self._key(asked, record))
            found = [StreamId(record.stream_id) for record in records]
        return found[::-1] if asked.order_by == "desc" else found

    def _is_wanted(self, asked: Question, record: KeptBroadcast) -> bool:
        if asked.role and record.role != asked.role:
            return False
        if asked.search.lower() not in f"{record.stream_id}\0{record.name or ''}".lower():
            return False
        return not asked.status or self._status(asked.app, record) == asked.status

    def _key(self, asked: Question, record: KeptBroadcast) -> str | int:
        match asked.sort_by:
            case "name":
                return record.name or ""
            case "date":
                return record.date
            case "status":
                return self._status(asked.app, record)
        return record.stream_id

    def _status(self, app: AppName, record: KeptBroadcast) -> str:
        if self._streams.live(app, StreamId(record.stream_id)) is not None:
            return stream_info.BROADCASTING
        return stream_info.status_of(record, ended=False)

    def _shown(self, app: AppName, record: KeptBroadcast) -> Broadcast:
        stream = StreamId(record.stream_id)
        live = self._streams.live(app, stream)
        if live is None:
            return stream_info.created(record)
        return stream_info.broadcast(live, self._audience.viewers(app, stream), NO_ADDRESS, record)


def told(shown: Broadcast) -> dict[str, Any]:
    """A broadcast as clients are told of it: without what is for operators alone."""
    fields: dict[str, Any] = msgspec.to_builtins(shown)
    return fields | dict.fromkeys(_OPERATORS_ONLY)
