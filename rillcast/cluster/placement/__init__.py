"""Which node gets a new session: one policy in each file, decided without I/O. `choose` puts them together."""

from rillcast.cluster.placement.carrying import Carriers
from rillcast.cluster.placement.choose import Placement
from rillcast.cluster.placement.limits import PlacementLimits
from rillcast.cluster.placement.nearness import Place, RegionOrder
from rillcast.cluster.placement.pending_joins import PendingJoins

__all__ = ["Carriers", "PendingJoins", "Place", "Placement", "PlacementLimits", "RegionOrder"]
