"""Whether a broadcast may belong to a main track."""

from __future__ import annotations

from rillcast.contracts.ids import AppName, StreamId
from services.signaling.rest.ports import KnownBroadcasts

ITSELF = "{main} is {stream}, or belongs to it, and no broadcast belongs to itself"
DEEPEST = 100
"""How many main tracks of main tracks are looked at. A ring of more only costs whoever makes it."""


def no_main_track(known: KnownBroadcasts, app: AppName, main: StreamId, stream: StreamId) -> str:
    """Why `main` cannot be the main track of `stream`, in words; empty if it can, unless it has as many subtracks as it
    may have, which the store says. `main` need not exist."""
    above = main
    for _ in range(DEEPEST):
        if above == stream:
            return ITSELF.format(main=main, stream=stream)
        record = known.get(app, above)
        if record is None or not record.main_track_stream_id:
            break
        above = StreamId(record.main_track_stream_id)
    return ""
