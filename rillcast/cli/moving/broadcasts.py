"""Carries the records of broadcasts over, so many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rillcast.cli.moving.ant_media import Record
from rillcast.client import Client, NotAllowed, NotDone, NotFound, Refused

AT_ONCE = 100
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("name", "description", "category", "metaData", "listenerHookURL", "username", "password", "streamUrl"),
            *("mainTrackStreamId", "role", "subFolder", "latitude", "longitude", "altitude", "endPointList"),
            *("playListItemList", "encoderSettingsList", "hlsParameters"),
        )
    ),
    **dict.fromkeys(("date", "plannedStartDate", "plannedEndDate", "expireDurationMS", "maxIdleTime"), 0),
    **dict.fromkeys(("mp4Enabled", "webMEnabled", "seekTimeInMs"), 0),
    **dict.fromkeys(("subtracksLimit", "webRTCViewerLimit", "hlsViewerLimit", "dashViewerLimit"), -1),
    **dict.fromkeys(("is360", "publicStream", "autoStartStopEnabled", "virtual"), False),
    **dict.fromkeys(("publish", "playlistLoopEnabled"), True),
    "type": "liveStream",
}
"""What somebody sets for a broadcast, and what it is as long as nobody has. Everything else a server says by itself."""
_EMPTY: tuple[object, ...] = (None, "", [])


@dataclass
class Carried:
    """What became of the records of an app."""

    taken: int = 0
    there_before: int = 0
    """Those whose id is taken here already; they stay as they are."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many, by the words of the server."""
    examples: dict[str, str] = field(default_factory=dict)
    """One id of each."""


def as_set(record: Record) -> Record:
    """The id, and what was set."""
    kept = {key: record[key] for key, default in DEFAULTS.items() if _differs(record.get(key, default), default)}
    return {"streamId": record["streamId"], **kept}


def carry(client: Client, app: str, records: Iterable[Record]) -> Carried:
    """Create them here. Raises `ClientError` when the server cannot be asked at all."""
    carried = Carried()
    for some in _chunks(records):
        new = [one for one in some if not _is_here(client, app, one["streamId"])]
        carried.there_before += len(some) - len(new)
        if not new or _created(client, app, new) is None:
            carried.taken += len(new)
            continue
        for one in new:
            if (why := _created(client, app, [one])) is None:
                carried.taken += 1
            else:
                carried.refused[why] += 1
                carried.examples.setdefault(why, one["streamId"])
    return carried


def _created(client: Client, app: str, some: list[Record]) -> str | None:
    """None when they are there, else the server's words."""
    try:
        client.broadcasts.create_broadcasts(app, some)
    except NotAllowed:
        raise
    except (NotDone, Refused) as error:
        return str(error)
    return None


def _is_here(client: Client, app: str, stream: str) -> bool:
    try:
        client.broadcasts.get_broadcast(app, stream)
    except NotFound:
        return False
    return True


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    rows = (as_set(one) for one in records)
    while some := list(islice(rows, AT_ONCE)):
        yield some


def _differs(value: Any, default: Any) -> bool:
    return value != default and not (value in _EMPTY and default in _EMPTY)
