"""Serves the origin's subjects on the bus."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.contracts.ids import NodeId
from rillcast.runtime.ports import Bus
from services.origin.usecases.parenting import Parenting
from services.origin.usecases.stream_owner import Publishing


async def serve_requests(bus: Bus, node: NodeId, publishing: Publishing, parenting: Parenting) -> None:
    """Begin to answer."""
    await bus.serve(subjects.origin_publish(node), messages.PublishRequest, publishing.publish)
    await bus.serve(subjects.origin_hand_over(node), messages.HandOverRequest, publishing.hand_over)
    await bus.serve(subjects.session_close(node), messages.CloseRequest, publishing.close)
    await bus.serve(subjects.session_restart_ice(node), messages.RestartIceRequest, publishing.restart_ice)
    await bus.serve(subjects.media_relay_open(node), messages.RelayOpen, parenting.open)
    await bus.serve(subjects.media_relay_close(node), messages.RelayClose, parenting.close)
