"""Whether a broadcast may belong to a main track."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.rest.ports import KnownBroadcasts

FULL = "{main} has as many subtracks as it may have: {limit}"
ITSELF = "{main} is {stream}, or belongs to it, and no broadcast belongs to itself"
DEEPEST = 100
"""How many main tracks of main tracks are looked at. A ring of more only costs whoever makes it."""


def no_main_track(known: KnownBroadcasts, app: AppName, main: StreamId, stream: StreamId) -> str:
    """Why `main` cannot be the main track of `stream`, in words; empty if it can. `main` need not exist."""
    above = main
    for _ in range(DEEPEST):
        if above == stream:
            return ITSELF.format(main=main, stream=stream)
        record = known.get(app, above)
        if record is None or not record.main_track_stream_id:
            break
        above = StreamId(record.main_track_stream_id)
    record = known.get(app, main)
    limit = record.subtracks_limit if record is not None else -1
    if limit < 0 or sum(1 for one in known.subtracks(app, main) if one != stream) < limit:
        return ""
    return FULL.format(main=main, limit=limit)
