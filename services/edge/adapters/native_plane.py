"""The media plane of this node, set up from its settings."""

from __future__ import annotations

from rillcast.media.plane import NativePlane, Plane
from rillcast.media.protocol import PlaneConfig
from rillcast.node.events import PlaneEvents
from services.edge.config import EdgeSettings


def open_plane(settings: EdgeSettings, events: PlaneEvents) -> Plane:
    """Start the media threads. Call inside the running event loop."""
    config = PlaneConfig(
        workers=settings.workers,
        media_bind=tuple(settings.media_bind),
        media_port=settings.media_port,
        relay_bind=settings.relays_listen_at,
        relay_port=settings.relay_port,
        pin=settings.pin,
        gso=settings.gso,
        max_half_open=settings.max_connecting,
    )
    return NativePlane(config, events)
