"""Shapes of calls about subscribers.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec


class ConnectionEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscriber connected, or disconnected."""

    timestamp: int
    event_type: str
    instance_ip: str | None = msgspec.field(name="instanceIP")
    type: str
    event_protocol: str = "webrtc"
    stream_id: str
    subscriber_id: str


class NewSubscriber(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What an operator says of a subscriber."""

    subscriber_id: str | None = None
    subscriber_name: str | None = None
    b32_secret: str | None = None
    type: str | None = None
    concurrent_connections_limit: int = 1
    totp_expiry_period_seconds: int | None = None
    blocked_type: str | None = None
    blocked_until_unit_time_stamp_ms: int = 0
    stream_id: str | None = None
    connected: bool = False
    current_concurrent_connections: int = 0
    registered_node_ip: str | None = None
    avg_video_bitrate: int = 0
    avg_audio_bitrate: int = 0


class Subscriber(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscriber as it is shown; its secret never is."""

    subscriber_id: str
    subscriber_name: str | None
    stream_id: str
    type: str | None
    connected: bool
    current_concurrent_connections: int
    concurrent_connections_limit: int
    blocked_type: str | None
    blocked_until_unit_time_stamp_ms: int
    registered_node_ip: str | None = None
    avg_video_bitrate: int = 0
    avg_audio_bitrate: int = 0
    totp_expiry_period_seconds: int
