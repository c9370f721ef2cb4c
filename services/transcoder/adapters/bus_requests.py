"""Serves the transcoder's subjects on the bus."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.contracts.ids import NodeId
from rillcast.relay.parent import RelayParent
from rillcast.runtime.errors import PermissionMissing
from rillcast.runtime.ports import Bus
from rillcast.runtime.telemetry.logs import get_logger
from services.transcoder.usecases.previews import Previews

log = get_logger(__name__)


async def serve_requests(bus: Bus, node: NodeId, relays: RelayParent, previews: Previews) -> None:
    """Begin to answer the transcoder's requests. Returns when the subjects are subscribed. A node whose user of NATS
    may not be asked for pictures runs without."""
    await bus.serve(subjects.media_relay_open(node), messages.RelayOpen, relays.open)
    await bus.serve(subjects.media_relay_close(node), messages.RelayClose, relays.close)
    try:
        await bus.serve(subjects.transcoder_preview(node), messages.PreviewRequest, previews.preview)
    except PermissionMissing as error:
        log.warning("This node cannot be asked for pictures of streams", reason=str(error))
