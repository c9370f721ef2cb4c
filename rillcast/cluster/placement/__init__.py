"""Which node gets a new session: one policy per file, decided without I/O. `choose` composes them."""

from rillcast.cluster.placement.choose import PlacementLimits, place_publisher, place_viewer
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.pending_joins import PendingJoins

__all__ = ["PendingJoins", "Place", "PlacementLimits", "RegionOrder", "place_publisher", "place_viewer"]
