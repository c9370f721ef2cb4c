"""One-time tokens and subscribers in Ant Media's shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from rillcast.contracts.access_records import ConnectionsRecord, SubscriberRecord, TokenRecord


class Token(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token, one-time or a JWT."""

    token_id: str = ""
    """The token itself, which the client shows."""
    stream_id: str | None = None
    expire_date: int = 0
    """Until when it is good, in Unix seconds."""
    type: str | None = None
    """``publish`` or ``play``."""
    room_id: str | None = None


class Subscriber(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscriber as it is shown; its secret never is."""

    subscriber_id: str
    subscriber_name: str | None
    stream_id: str
    type: str | None
    """What it may do; null = both."""
    connected: bool
    current_concurrent_connections: int
    concurrent_connections_limit: int
    blocked_type: str | None
    blocked_until_unit_time_stamp_ms: int
    registered_node_ip: str | None = None
    """The address of the node that has its oldest connection."""
    avg_video_bitrate: int = 0
    """What its last session was sent on average, in bit/s; 0 where its connections are not kept."""
    avg_audio_bitrate: int = 0
    totp_expiry_period_seconds: int
    """Of its codes, which is the app's ``timeTokenPeriod`` where nothing else was set."""


_LONG_ENOUGH = msgspec.Meta(extra_json_schema={"minLength": 3})
"""Said by the document alone: a shorter one is refused in Ant Media's words, and not while it is decoded."""


class NewSubscriber(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What an operator says of a subscriber."""

    subscriber_id: Annotated[str, _LONG_ENOUGH] | None = None
    subscriber_name: str | None = None
    b32_secret: str | None = None
    type: str | None = None
    concurrent_connections_limit: int = 1
    totp_expiry_period_seconds: int | None = None
    blocked_type: str | None = None
    """What it is blocked from, if the next one lies in the future."""
    blocked_until_unit_time_stamp_ms: int = 0
    """Until when it is blocked, in Unix milliseconds. A moment that is past leaves a block as it is."""
    stream_id: str | None = None
    """Not looked at: the path says it. Nor are the next ones, which lists show and which say what is."""
    connected: bool = False
    current_concurrent_connections: int = 0
    registered_node_ip: str | None = None
    avg_video_bitrate: int = 0
    avg_audio_bitrate: int = 0


def shown_token(record: TokenRecord) -> Token:
    """What REST shows of a one-time token, in Ant Media's names."""
    return Token(
        token_id=record.token_id,
        stream_id=record.stream,
        expire_date=record.expire_date,
        type=record.type.value,
        room_id=record.room_id or None,
    )


def shown_subscriber(
    record: SubscriberRecord, *, connections: int, node_ip: str, averages_bps: tuple[int, int], period_s: int
) -> Subscriber:
    """A subscriber with its connections, without its secret. `averages_bps`: of video and audio. `period_s`: of codes,
    where it has no period of its own."""
    return Subscriber(
        subscriber_id=record.subscriber_id,
        subscriber_name=record.subscriber_name,
        stream_id=record.stream,
        type=record.type,
        connected=connections > 0,
        current_concurrent_connections=connections,
        concurrent_connections_limit=record.concurrent_connections_limit,
        blocked_type=record.blocked_type,
        blocked_until_unit_time_stamp_ms=record.blocked_until_ms,
        registered_node_ip=node_ip or None,
        avg_video_bitrate=averages_bps[0],
        avg_audio_bitrate=averages_bps[1],
        totp_expiry_period_seconds=record.totp_expiry_period_seconds or period_s,
    )


class ConnectionEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A subscriber connected, or disconnected."""

    timestamp: int
    """In Unix milliseconds."""
    event_type: str
    """``connected`` or ``disconnected``."""
    instance_ip: str | None = msgspec.field(name="instanceIP")
    """The address of the node that had the session."""
    type: str
    """``publish`` or ``play``."""
    event_protocol: str = "webrtc"
    stream_id: str
    subscriber_id: str


def shown_events(records: Iterable[ConnectionsRecord]) -> list[ConnectionEvent]:
    """What is kept of connections, the oldest first."""
    events = [
        ConnectionEvent(
            timestamp=change.at_ms,
            event_type="connected" if change.connected else "disconnected",
            instance_ip=change.address or None,
            type=change.role.value,
            stream_id=record.stream,
            subscriber_id=record.subscriber_id,
        )
        for record in records
        for change in record.changes
    ]
    return sorted(events, key=lambda event: event.timestamp)
