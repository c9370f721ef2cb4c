"""What the directory hears of nodes, told to placement as it comes."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.cluster.placement import Placement
from rillcast.contracts.messages import NodeReport
from rillcast.runtime.discovery.directory import NodeDirectory


def follow_nodes(placement: Placement, directory: NodeDirectory, clock: Callable[[], float]) -> None:
    """From now on placement knows what the directory knows. `clock`: that of the joins, in monotonic seconds."""

    def changed(report: NodeReport, takes: bool) -> None:
        placement.changed(report, takes, clock())

    for report in directory.all():
        placement.heard(report)
    directory.on_heard(placement.heard)
    directory.on_gone(placement.gone)
    directory.on_placeable(changed)
