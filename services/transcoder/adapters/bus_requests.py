"""Serves the transcoder's subjects on the bus."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.contracts.ids import NodeId
from rillcast.relay.parent import RelayParent
from rillcast.runtime.ports import Bus


async def serve_requests(bus: Bus, node: NodeId, relays: RelayParent) -> None:
    """Begin to answer the transcoder's requests. Returns when the subjects are subscribed."""
    await bus.serve(subjects.media_relay_open(node), messages.RelayOpen, relays.open)
    await bus.serve(subjects.media_relay_close(node), messages.RelayClose, relays.close)
