"""All dashboards, in the order of the links at the top of each."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.dashboards import (
    bus,
    capacity,
    edge,
    license,
    origin,
    overview,
    signaling,
    stream,
    streams,
    transcoder,
    viewers,
)
from scripts.dashboards.built import written

FOLDER = "deploy/grafana/dashboards"
BOARDS = [
    module.BOARD
    for module in (overview, viewers, streams, stream, edge, origin, transcoder, signaling, bus, license, capacity)
]


def rendered() -> Mapping[str, str]:
    """The files, by name."""
    return {f"{board.name}.json": written(board, BOARDS) for board in BOARDS}
