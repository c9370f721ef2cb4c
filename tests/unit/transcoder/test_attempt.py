"""Commands that may be left out."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.words import MediaKind
from rillcast.media.protocol import AddPushSource, RequestKeyframe, SourceId
from rillcast.testing.plane import FakePlane
from services.transcoder.usecases.attempt import attempted


def counted() -> float:
    return REGISTRY.get_sample_value("rillcast_transcoder_errors_total", {"kind": "plane_busy"}) or 0.0


def test_a_busy_plane_is_counted_and_no_error() -> None:
    plane, before = FakePlane(), counted()
    plane.busy = True
    assert not attempted(plane, RequestKeyframe(source=SourceId(1)))

    plane.busy = False
    assert attempted(plane, RequestKeyframe(source=SourceId(1)))

    assert plane.of(RequestKeyframe) == [RequestKeyframe(source=SourceId(1))]
    assert counted() == before + 1


def test_what_is_impossible_is_a_fault_of_ours() -> None:
    class Plane(FakePlane):
        def execute(self, command: object) -> None:
            raise ValueError("no such source")

    with pytest.raises(ValueError, match="no such source"):
        attempted(
            Plane(), AddPushSource(source=SourceId(1), worker=0, kind=MediaKind.VIDEO, codec="VP8", clock_rate=90_000)
        )
