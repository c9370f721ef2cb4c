"""What lies in the store for each broadcast that was created: Ant Media's Broadcast, whole.

Origins and transcoders read the part of it that `records.BroadcastRecord` names.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import Count, FileDuration, Limit, Share, Text, UnixMs, Word
from rillcast.contracts.ids import StreamId
from rillcast.contracts.records import BroadcastRecord


class HlsParameters(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The settings of HLS for one broadcast, as texts like those of the app."""

    hls_time: Word | None = None
    hls_list_size: Word | None = None
    hls_play_list_type: Word | None = None


class PlayListItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One file of a playlist."""

    stream_url: Text | None = None
    type: Word | None = None
    name: Text | None = None
    duration_in_ms: FileDuration = 0
    """Its length in milliseconds; less than 0 when it could not be read."""
    seek_time_in_ms: Count = 0


class Destination(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Another server to which a broadcast is to be pushed: Ant Media's Endpoint."""

    status: Word | None = "created"
    type: Word | None = None
    endpoint_url: Text | None = None
    endpoint_service_id: Word | None = None


class KeptBroadcast(BroadcastRecord, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One broadcast as clients set it. Names and defaults are Ant Media's."""

    status: Word | None = "created"
    """As it was last seen: ``broadcasting`` from its start to its end, then ``finished``."""
    play_list_status: Word | None = None
    type: Word | None = "liveStream"
    publish_type: Word | None = None
    name: Text | None = None
    description: Text | None = None
    publish: bool = True
    duration: Count = 0
    end_point_list: tuple[Destination, ...] | None = None
    play_list_item_list: tuple[PlayListItem, ...] | None = None
    public_stream: bool = True
    is360: bool = False
    category: Text | None = None
    ip_addr: Text | None = None
    username: Text | None = None
    password: Text | None = None
    """Of a camera. It is shown to whoever may read the broadcast, as with Ant Media."""
    quality: Text | None = None
    speed: Share = 0.0
    stream_url: Text | None = None
    origin_adress: Word | None = None
    mp4_enabled: Limit = 0
    web_m_enabled: Limit = 0
    seek_time_in_ms: Count = 0
    subtracks_limit: Limit = -1
    """How many subtracks it may have; -1 = any number."""
    rtmp_url: Text | None = msgspec.field(default=None, name="rtmpURL")
    zombi: bool = False
    pending_packet_size: Count = 0
    hls_viewer_count: Count = 0
    dash_viewer_count: Count = 0
    web_rtc_viewer_count: Count = msgspec.field(default=0, name="webRTCViewerCount")
    rtmp_viewer_count: Count = 0
    start_time: Count = 0
    """When it last began, in Unix milliseconds; 0 = never."""
    received_bytes: Count = 0
    bitrate: Count = 0
    width: Count = 0
    height: Count = 0
    encoder_queue_size: Count = 0
    drop_packet_count_in_ingestion: Count = 0
    drop_frame_count_in_encoding: Count = 0
    packet_lost_ratio: Share = 0.0
    packets_lost: Count = 0
    jitter_ms: Count = 0
    rtt_ms: Count = 0
    user_agent: Text | None = "N/A"
    remote_ip: Word | None = None
    latitude: Word | None = None
    longitude: Word | None = None
    altitude: Word | None = None
    main_track_stream_id: Word | None = None
    """The broadcast of which this one is a subtrack. It need not exist."""
    absolute_start_time_ms: Count = 0
    hls_viewer_limit: Limit = -1
    dash_viewer_limit: Limit = -1
    sub_folder: Text | None = None
    current_play_index: Limit = 0
    meta_data: Text | None = None
    playlist_loop_enabled: bool = True
    update_time: Count = 0
    """When its status last changed, in Unix milliseconds."""
    role: Word | None = None
    hls_parameters: HlsParameters | None = None
    auto_start_stop_enabled: bool = False
    virtual: bool = False
    max_idle_time: Count = 0


class SubtrackSeats(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Who is about to become a subtrack of a broadcast that may have only so many."""

    coming: dict[StreamId, UnixMs] = {}
    """By its id, since when it has a seat: until its own record says that it is attached, or the seat is too old."""
    upto: Count = 0
    """The revision with which the last one of them was written: who does not know of it cannot count."""


class StoredBroadcast(KeptBroadcast, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A broadcast with what signaling instances tell each other of it, and no client."""

    subtrack_seats: SubtrackSeats = SubtrackSeats()
