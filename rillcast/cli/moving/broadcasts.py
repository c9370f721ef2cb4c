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
NO_IDS = ("", ".", "..")
_EMPTY: tuple[object, ...] = (None, "", [])


@dataclass
class Carried:
    """What became of the records of an app."""

    taken: int = 0
    there_before: int = 0
    """Those whose id is taken here already; they stay as they are."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many, by the words of the server."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Of how many that were taken a key was not, by the words of the server, which name it."""
    examples: dict[str, str] = field(default_factory=dict)
    """The id of one broadcast, by the same words."""

    @property
    def amiss(self) -> int:
        """How many are not here as they are there."""
        return self.refused.total() + self.left_out.total()


def as_set(record: Record) -> Record:
    """The id, and what was set."""
    kept = {key: record[key] for key, default in DEFAULTS.items() if _differs(record.get(key, default), default)}
    return {"streamId": record["streamId"], **kept}


def carry(client: Client, app: str, records: Iterable[Record]) -> Carried:
    """Create them here, each without the keys that the server refuses by name. Raises `ClientError` when the server
    cannot be asked at all."""
    carried = Carried()
    for some in _chunks(records):
        new = [one for one in some if not _is_here(client, app, one["streamId"])]
        carried.there_before += len(some) - len(new)
        if not new or _take(client, app, new, carried) is None:
            continue
        for one in new:
            if (why := _take(client, app, [one], carried)) is not None:
                carried.refused[why] += 1
                carried.examples.setdefault(why, one["streamId"])
    return carried


def _take(client: Client, app: str, some: list[Record], carried: Carried) -> str | None:
    """None when they are there, perhaps without some keys; else the server's words."""
    without: dict[str, str] = {}
    while (why := _created(client, app, [_without(one, without) for one in some])) is not None:
        key = why.partition(":")[0]
        if key in without or key not in DEFAULTS or not any(key in one for one in some):
            return why
        without[key] = why
    carried.taken += len(some)
    for key, why in without.items():
        of = [one["streamId"] for one in some if key in one]
        carried.left_out[why] += len(of)
        carried.examples.setdefault(why, of[0])
    return None


def _without(one: Record, keys: Iterable[str]) -> Record:
    return {key: value for key, value in one.items() if key not in keys}


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
    if stream in NO_IDS:
        return False  # it is refused in a moment, in words
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
