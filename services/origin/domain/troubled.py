"""Which streams do not come well to this origin, in a few words for the heartbeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from rillcast.cluster.health import PUBLISHER_LOSS
from rillcast.contracts.health import Trouble
from rillcast.contracts.messages import StreamTrouble
from rillcast.contracts.messages.nodes import MOST_TROUBLES
from services.origin.domain.owned_stream import OwnedStream

KEYFRAME_S = 3.0
"""A keyframe is asked for at once, and comes within that."""


def troubled(streams: Iterable[OwnedStream], now: float) -> tuple[StreamTrouble, ...]:
    """At most `MOST_TROUBLES`. Asked once a second. What nothing comes of is told by the stream's record. `now`:
    monotonic seconds."""
    return tuple(islice(_troubles(streams, now), MOST_TROUBLES))


def _troubles(streams: Iterable[OwnedStream], now: float) -> Iterator[StreamTrouble]:
    for stream in streams:
        if stream.silent:
            continue
        if stream.media.wants_keyframe and stream.media.flowed_s(now) >= KEYFRAME_S:
            yield _trouble(stream, Trouble.NO_KEYFRAME)
        elif stream.loss.share >= PUBLISHER_LOSS:
            yield _trouble(stream, Trouble.PUBLISHER_LOSS)


def _trouble(stream: OwnedStream, trouble: Trouble) -> StreamTrouble:
    return StreamTrouble(app=stream.publisher.app, stream=stream.publisher.stream, trouble=trouble)
