"""Policy: an edge that has the stream needs no further relay and starts the viewer from its own keyframe ring."""

from __future__ import annotations

from collections.abc import Iterable

from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.messages import NodeReport


def carries(report: NodeReport, app: AppName, stream: StreamId) -> bool:
    """Whether the node's last report names the stream."""
    return any(c.stream == stream and c.app == app for c in report.carried)


def carriers(reports: Iterable[NodeReport], app: AppName, stream: StreamId) -> list[NodeReport]:
    """Those that have the stream."""
    return [report for report in reports if carries(report, app, stream)]
