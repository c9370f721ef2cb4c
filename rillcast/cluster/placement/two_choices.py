"""Policy: the better of two random nodes.

Instances of signaling act on reports up to a second old; if each took the very best node, all would take the same one
(M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rillcast.contracts.messages import NodeReport


def better_of_two(reports: Sequence[NodeReport], cost: Callable[[NodeReport], float], rng: random.Random) -> NodeReport:
    """One of `reports`, which must not be empty."""
    if len(reports) == 1:
        return reports[0]
    return min(rng.sample(reports, 2), key=cost)
