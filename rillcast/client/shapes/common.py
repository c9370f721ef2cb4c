"""Shapes of several kinds of calls.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rillcast.contracts.broadcast_records import Destination, HlsParameters, PlayListItem


class LadderRung(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One rung of a ladder: an entry of ``encoderSettings``, with the names that Ant Media uses."""

    height: int
    video_bitrate: int
    audio_bitrate: int = 64000
    force_encode: bool = True
    force_same_resolution_encode: bool = False


class Broadcast(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Ant Media's record of a stream: these 71 keys and no others, since typed clients refuse what they do not know."""

    stream_id: str
    status: str | None = "created"
    play_list_status: str | None = None
    type: str | None = "liveStream"
    publish_type: str | None = None
    name: str | None = None
    description: str | None = None
    publish: bool = True
    date: int = 0
    planned_start_date: int = 0
    planned_end_date: int = 0
    duration: int = 0
    end_point_list: list[Destination] | None = None
    play_list_item_list: list[PlayListItem] | None = None
    public_stream: bool = True
    is360: bool = False
    listener_hook_url: str | None = msgspec.field(name="listenerHookURL", default=None)
    category: str | None = None
    ip_addr: str | None = None
    username: str | None = None
    password: str | None = None
    quality: str | None = None
    speed: float = 0.0
    stream_url: str | None = None
    origin_adress: str | None = None
    mp4_enabled: int = 0
    web_m_enabled: int = 0
    seek_time_in_ms: int = 0
    subtracks_limit: int = -1
    expire_duration_ms: int = msgspec.field(name="expireDurationMS", default=0)
    rtmp_url: str | None = msgspec.field(name="rtmpURL", default=None)
    zombi: bool = False
    pending_packet_size: int = 0
    hls_viewer_count: int = 0
    dash_viewer_count: int = 0
    web_rtc_viewer_count: int = msgspec.field(name="webRTCViewerCount", default=0)
    rtmp_viewer_count: int = 0
    start_time: int = 0
    received_bytes: int = 0
    bitrate: int = 0
    width: int = 0
    height: int = 0
    encoder_queue_size: int = 0
    drop_packet_count_in_ingestion: int = 0
    drop_frame_count_in_encoding: int = 0
    packet_lost_ratio: float = 0.0
    packets_lost: int = 0
    jitter_ms: int = 0
    rtt_ms: int = 0
    user_agent: str | None = "N/A"
    remote_ip: str | None = None
    latitude: str | None = None
    longitude: str | None = None
    altitude: str | None = None
    main_track_stream_id: str | None = None
    absolute_start_time_ms: int = 0
    web_rtc_viewer_limit: int = msgspec.field(name="webRTCViewerLimit", default=-1)
    hls_viewer_limit: int = -1
    dash_viewer_limit: int = -1
    sub_folder: str | None = None
    current_play_index: int = 0
    meta_data: str | None = None
    playlist_loop_enabled: bool = True
    update_time: int = 0
    role: str | None = None
    hls_parameters: HlsParameters | None = None
    auto_start_stop_enabled: bool = False
    encoder_settings_list: list[LadderRung] | None = None
    virtual: bool = False
    max_idle_time: int = 0
    anyone_watching: bool = False


class Licence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Ant Media's record of a license, spelled as on its wire: strings throughout."""

    licence_id: str
    start_date: str | None = None
    end_date: str | None = None
    type: str
    licence_count: str
    owner: str
    status: str
    hour_used: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether it was done, and what there is to say about it."""

    success: bool
    message: str | None = ""
    data_id: str | None = ""
    error_id: int = 0


class SimpleStat(msgspec.Struct, frozen=True, kw_only=True):
    """A number, in the form in which Ant Media answers with one."""

    number: int


class Version(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of the server. The edition is what clients probe before they use WebRTC playback."""

    version_name: str
    version_type: str = "Enterprise Edition"
    build_number: str = ""


AccountsRole = Literal["ADMIN", "READ_ONLY", "USER"]
"""What an account may do, in Ant Media's words."""
