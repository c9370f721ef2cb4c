"""Where this edge stands among those that feed each other, in a few words. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rillcast.contracts.messages import TreePlace
from rillcast.relay.child_relay import ChildState
from services.edge.domain.feed import Feed

MOST_NAMED = 8


def tree_place(feeds: Iterable[Feed], children: int) -> TreePlace | None:
    """Of all tracks together; None while none comes in. `children`: how many other edges are fed."""
    relays = [feed.relay for feed in feeds if feed.relay.state is ChildState.OPEN]
    if not relays:
        return None
    parents = Counter(relay.parent for relay in relays if relay.parent is not None)
    standbys = Counter(node for relay in relays for node in relay.standbys)
    return TreePlace(
        parents=tuple(node for node, _ in parents.most_common(MOST_NAMED)),
        level=max(relay.level for relay in relays),
        children=children,
        standbys=tuple(node for node, _ in standbys.most_common(MOST_NAMED)),
    )
