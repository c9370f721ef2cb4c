"""Whether a session can feed the sources that a stream has already, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import TrackRecord
from rillcast.media.protocol import RecvTrack
from rillcast.media.sdp import PublishNegotiation


def same_layout(living: Iterable[TrackRecord], offered: Iterable[TrackRecord]) -> bool:
    """Whether a newcomer's tracks can feed the living sources: the same tracks in the same codecs. Format parameters
    may differ: every decoder copes with another profile within a stream."""

    def shape(tracks: Iterable[TrackRecord]) -> dict[TrackId, tuple[str, str, str, int, int]]:
        return {t.track: (t.kind, t.codec, t.rid, t.clock_rate, t.channels) for t in tracks}

    return shape(living) == shape(offered)


def onto_sources(negotiation: PublishNegotiation, sources: Mapping[TrackId, int]) -> tuple[RecvTrack, ...]:
    """The negotiated tracks, feeding these sources."""
    wanted = {negotiated: sources[track] for track, negotiated in negotiation.sources.items()}
    return tuple(
        msgspec.structs.replace(
            track,
            encodings=tuple(msgspec.structs.replace(e, source=wanted[e.source]) for e in track.encodings),
        )
        for track in negotiation.recv
    )
