"""What edges and origins have besides the other media nodes: clients whose associations go from node to node."""

from __future__ import annotations

from rillcast.node import metrics
from rillcast.node.association_giver import AssociationGiver
from rillcast.node.association_taker import AssociationTaker
from rillcast.node.media_node import MediaNode


def associations(media: MediaNode) -> tuple[AssociationGiver, AssociationTaker]:
    """What hands the associations of clients over to other nodes of the kind, and takes those of others. Once per
    node, before `MediaNode.run`."""
    keys, given, taken = media.association_keys, metrics.ASSOCIATIONS_GIVEN, metrics.ASSOCIATIONS_TAKEN
    giver = AssociationGiver(media.plane, keys, lambda outcome: given.labels(outcome).inc())
    media.on_event(giver.on_event)
    taker = AssociationTaker(media.kind, media.bus, keys, media.tasks, lambda outcome: taken.labels(outcome).inc())
    return giver, taker
