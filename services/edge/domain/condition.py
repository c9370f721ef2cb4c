"""By whom this edge is fed, and who suffers here, in a few words for the heartbeat. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rillcast.contracts.health import MEANINGS, Health, Trouble
from rillcast.contracts.ids import NodeId, split_stream_key
from rillcast.contracts.messages import Condition, RelayLink, StreamTrouble
from rillcast.contracts.messages.nodes import MOST_LINKS, MOST_TROUBLES
from rillcast.relay.child_relay import ChildState
from services.edge.domain.feed import Feed
from services.edge.domain.viewer import Viewers

UNFED_S = 1.0
"""For so long a relay may be without a parent before anybody is told."""


def condition(feeds: Iterable[Feed], viewers: Viewers, now: float) -> Condition:
    """`now`: monotonic seconds. Asked once a second: it looks at each viewer, which costs 0.1 µs for one without
    trouble."""
    tracks: Counter[NodeId] = Counter()
    streams: dict[NodeId, set[str]] = {}
    unfed: set[str] = set()
    for feed in feeds:
        parent = feed.relay.parent
        if feed.relay.state is ChildState.OPEN and parent is not None:
            tracks[parent] += 1
            streams.setdefault(parent, set()).add(feed.key)
        elif feed.users and feed.relay.ever_open and now - feed.relay.unfed_since >= UNFED_S:
            unfed.add(feed.key)
    counts: Counter[tuple[str, Trouble]] = Counter()
    suffering = 0
    for viewer in viewers.living():
        trouble = viewer.quality.trouble
        if trouble is None:
            continue
        suffering += MEANINGS[trouble].health is Health.BAD
        for subscription in viewer.subscriptions:
            counts[subscription.key, trouble] += 1
    told = [_told(key, Trouble.NOT_FED, 0) for key in sorted(unfed)[:MOST_TROUBLES]]
    told += [_told(key, trouble, count) for (key, trouble), count in counts.most_common(MOST_TROUBLES - len(told))]
    links = (
        RelayLink(parent=parent, tracks=count, streams=len(streams[parent]))
        for parent, count in tracks.most_common(MOST_LINKS)
    )
    return Condition(links=tuple(links), troubles=tuple(told), suffering=suffering)


def _told(key: str, trouble: Trouble, viewers: int) -> StreamTrouble:
    app, stream = split_stream_key(key)
    return StreamTrouble(app=app, stream=stream, trouble=trouble, viewers=viewers)
