"""What every job of this node is made of."""

from __future__ import annotations

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.ids import NodeId
from rillcast.node.load import MediaLoad
from rillcast.relay.parent import RelayParent
from services.transcoder.ports import Clock, KeyValue, Peers, WallClock
from services.transcoder.usecases.media_job import MediaJob
from services.transcoder.usecases.source_feed import SourceFeeds
from services.transcoder.usecases.work import Order, WorkKind


class JobFactory:
    """Makes jobs (`media_job.NewJob`), each with a lease, a feed and a source of its own."""

    def __init__(
        self,
        *,
        node: NodeId,
        store: KeyValue,
        feeds: SourceFeeds,
        relays: RelayParent,
        load: MediaLoad,
        peers: Peers,
        clock: Clock,
        wall_ms: WallClock,
        lease_s: float,
    ) -> None:
        """`store`: the bucket of renditions, whose records live for `lease_s`."""
        self._node = node
        self._store = store
        self._feeds = feeds
        self._relays = relays
        self._load = load
        self._peers = peers
        self._clock = clock
        self._wall_ms = wall_ms
        self._lease_s = lease_s

    def __call__(self, kind: WorkKind, live: LiveStream, order: Order) -> MediaJob:
        worker = self._load.least_loaded()
        return MediaJob(
            kind,
            node=self._node,
            live=live,
            order=order,
            worker=worker,
            store=self._store,
            feed=self._feeds.new(worker),
            relays=self._relays,
            peers=self._peers,
            clock=self._clock,
            wall_ms=self._wall_ms,
            lease_s=self._lease_s,
        )
