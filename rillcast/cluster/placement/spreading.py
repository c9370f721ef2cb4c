"""Policy: while nodes have next to nothing to do, go by the number of sessions, not by a load that is mostly noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rillcast.contracts.messages import NodeReport


def fewest_sessions(
    reports: Sequence[NodeReport],
    expected_joins: Callable[[NodeReport], float],
    preferred: Callable[[NodeReport], bool],
    rng: random.Random,
) -> NodeReport:
    """The node with the fewest sessions, expected ones included; among equals a preferred one, then any."""

    def rank(report: NodeReport) -> tuple[float, bool, float]:
        return (round(report.load.sessions + expected_joins(report)), not preferred(report), rng.random())

    return min(reports, key=rank)
