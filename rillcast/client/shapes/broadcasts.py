"""Shapes of calls about broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from rillcast.client.shapes.common import LadderRung
from rillcast.contracts.broadcast_records import Destination, HlsParameters, PlayListItem


class KeptBroadcastPatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The keys of KeptBroadcast to change. Absent ones stay."""

    stream_id: str | UnsetType = UNSET
    encoder_settings_list: list[LadderRung] | UnsetType | None = UNSET
    planned_start_date: int | UnsetType = UNSET
    planned_end_date: int | UnsetType = UNSET
    expire_duration_ms: int | UnsetType = msgspec.field(name="expireDurationMS", default=UNSET)
    date: int | UnsetType = UNSET
    web_rtc_viewer_limit: int | UnsetType = msgspec.field(name="webRTCViewerLimit", default=UNSET)
    listener_hook_url: str | UnsetType | None = msgspec.field(name="listenerHookURL", default=UNSET)
    backup_stream_id: str | UnsetType | None = UNSET
    backup_after_ms: int | UnsetType | None = UNSET
    backup_longest_s: int | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    play_list_status: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    publish_type: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    publish: bool | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    end_point_list: list[Destination] | UnsetType | None = UNSET
    play_list_item_list: list[PlayListItem] | UnsetType | None = UNSET
    public_stream: bool | UnsetType = UNSET
    is360: bool | UnsetType = UNSET
    category: str | UnsetType | None = UNSET
    ip_addr: str | UnsetType | None = UNSET
    username: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    quality: str | UnsetType | None = UNSET
    speed: float | UnsetType = UNSET
    stream_url: str | UnsetType | None = UNSET
    origin_adress: str | UnsetType | None = UNSET
    mp4_enabled: int | UnsetType = UNSET
    web_m_enabled: int | UnsetType = UNSET
    seek_time_in_ms: int | UnsetType = UNSET
    subtracks_limit: int | UnsetType = UNSET
    rtmp_url: str | UnsetType | None = msgspec.field(name="rtmpURL", default=UNSET)
    zombi: bool | UnsetType = UNSET
    pending_packet_size: int | UnsetType = UNSET
    hls_viewer_count: int | UnsetType = UNSET
    dash_viewer_count: int | UnsetType = UNSET
    web_rtc_viewer_count: int | UnsetType = msgspec.field(name="webRTCViewerCount", default=UNSET)
    rtmp_viewer_count: int | UnsetType = UNSET
    start_time: int | UnsetType = UNSET
    received_bytes: int | UnsetType = UNSET
    bitrate: int | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    encoder_queue_size: int | UnsetType = UNSET
    drop_packet_count_in_ingestion: int | UnsetType = UNSET
    drop_frame_count_in_encoding: int | UnsetType = UNSET
    packet_lost_ratio: float | UnsetType = UNSET
    packets_lost: int | UnsetType = UNSET
    jitter_ms: int | UnsetType = UNSET
    rtt_ms: int | UnsetType = UNSET
    user_agent: str | UnsetType | None = UNSET
    remote_ip: str | UnsetType | None = UNSET
    latitude: str | UnsetType | None = UNSET
    longitude: str | UnsetType | None = UNSET
    altitude: str | UnsetType | None = UNSET
    main_track_stream_id: str | UnsetType | None = UNSET
    absolute_start_time_ms: int | UnsetType = UNSET
    hls_viewer_limit: int | UnsetType = UNSET
    dash_viewer_limit: int | UnsetType = UNSET
    sub_folder: str | UnsetType | None = UNSET
    current_play_index: int | UnsetType = UNSET
    meta_data: str | UnsetType | None = UNSET
    playlist_loop_enabled: bool | UnsetType = UNSET
    update_time: int | UnsetType = UNSET
    role: str | UnsetType | None = UNSET
    hls_parameters: HlsParameters | UnsetType | None = UNSET
    auto_start_stop_enabled: bool | UnsetType = UNSET
    virtual: bool | UnsetType = UNSET
    max_idle_time: int | UnsetType = UNSET
