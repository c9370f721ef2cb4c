"""What an edge takes for a picture that stands still."""

from __future__ import annotations

import msgspec
import pytest
from edge_harness import VIDEO, Begin, World

from rillcast.media import protocol
from rillcast.media.protocol import PlaneSession, SessionStats
from services.edge import metrics
from services.edge.domain.freezes import Freeze, freeze, silent_freezes

BEFORE = SessionStats(
    session=PlaneSession(1),
    packets_sent=100,
    bytes_sent=1,
    packets_received=0,
    bytes_received=0,
    estimate_bps=0,
    fraction_lost=0.0,
    rtt_ms=0.0,
    jitter_ms=0.0,
    nacks=0,
    repaired=0,
    dropped=0,
    video_bps=0,
    audio_bps=0,
    keyframe_requests=1,
    lag_ms=100.0,
)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"keyframe_requests": 2}, Freeze.UNDECODABLE),
        ({"lag_ms": 700.0}, Freeze.LATE),
        ({"lag_ms": 500.0}, None),
    ],
)
def test_a_second_shows_a_freeze(change: dict[str, float], cause: Freeze | None) -> None:
    assert freeze(BEFORE, msgspec.structs.replace(BEFORE, **change)) is cause


def test_a_lasting_lag_is_one_freeze() -> None:
    late = msgspec.structs.replace(BEFORE, lag_ms=700.0)
    assert freeze(late, msgspec.structs.replace(late, lag_ms=900.0)) is None


def test_a_keyframe_at_the_beginning_is_none() -> None:
    after = msgspec.structs.replace(BEFORE, keyframe_requests=5, lag_ms=900.0)
    assert freeze(None, after) is None
    assert freeze(msgspec.structs.replace(BEFORE, packets_sent=0), after) is None


def test_where_pictures_are_rare_silence_is_no_freeze() -> None:
    assert (silent_freezes(3, 33), silent_freezes(3, 1000)) == (3, 0)


async def test_viewers_of_a_video_that_falls_silent_are_counted(begin: Begin) -> None:
    world: World = await begin()
    await world.parent("origin-1")
    await world.live()
    for _ in range(2):
        await world.watching()
    silent = metrics.FREEZES.labels(Freeze.SILENT.value)
    before = silent._value.get()
    world.plane.emit(protocol.SourceSilent(source=world.source_of(VIDEO.track), frame_interval_ms=33))
    assert silent._value.get() - before == 2
