"""Shapes of calls about figures of broadcasts.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class AppBroadcastStatistics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Those of a whole app."""

    total_rtmp_watchers_count: int = msgspec.field(name="totalRTMPWatchersCount", default=-1)
    total_hls_watchers_count: int = msgspec.field(name="totalHLSWatchersCount", default=-1)
    total_web_rtc_watchers_count: int = msgspec.field(name="totalWebRTCWatchersCount", default=-1)
    total_dash_watchers_count: int = msgspec.field(name="totalDASHWatchersCount", default=-1)
    active_live_stream_count: int = 0


class AudioReceiveStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of audio from WebRTC clients."""

    audio_packets_received: int = 0
    audio_bytes_received: int = 0
    audio_packets_lost: int = 0
    audio_jitter: float = 0.0
    audio_fraction_lost: float = 0.0
    audio_packets_received_per_second: int = 0
    audio_bytes_received_per_second: int = 0


class AudioSendStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was sent of audio to WebRTC clients."""

    audio_packets_sent: int = 0
    audio_bytes_sent: int = 0
    audio_packets_per_second: int = 0
    audio_bytes_sent_per_second: int = 0
    time_ms: int = 0


class BasicStreamInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One video rendition of a live stream, as REST shows it."""

    video_width: int
    video_height: int
    video_bitrate: int
    audio_bitrate: int
    video_codec: str


class BroadcastStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How many watch, by protocol; −1 where there is nothing to count."""

    total_rtmp_watchers_count: int = msgspec.field(name="totalRTMPWatchersCount", default=-1)
    total_hls_watchers_count: int = msgspec.field(name="totalHLSWatchersCount", default=-1)
    total_web_rtc_watchers_count: int = msgspec.field(name="totalWebRTCWatchersCount", default=-1)
    total_dash_watchers_count: int = msgspec.field(name="totalDASHWatchersCount", default=-1)


class VideoReceiveStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came of video from WebRTC clients."""

    video_fir_count: int = 0
    video_pli_count: int = 0
    video_nack_count: int = 0
    video_packets_received: int = 0
    video_packets_lost: int = 0
    video_fraction_lost: float = 0.0
    video_frame_received: int = 0
    video_bytes_received: int = 0
    video_packets_received_per_second: int = 0
    video_bytes_received_per_second: int = 0
    video_frame_received_per_second: int = 0
    jitter: float = 0.0


class ReceiveStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What came from the WebRTC clients of an app."""

    audio_receive_stats: AudioReceiveStats | UnsetType = UNSET
    video_receive_stats: VideoReceiveStats | UnsetType = UNSET


class VideoSendStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was sent of video to WebRTC clients."""

    video_fir_count: int = 0
    video_pli_count: int = 0
    video_nack_count: int = 0
    video_packets_sent: int = 0
    video_frames_encoded: int = 0
    video_bytes_sent: int = 0
    video_packets_sent_per_second: int = 0
    video_bytes_sent_per_second: int = 0
    video_frames_encoded_per_second: int = 0
    time_ms: int = 0


class SendStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was sent to the WebRTC clients of an app."""

    audio_send_stats: AudioSendStats | UnsetType = UNSET
    video_send_stats: VideoSendStats | UnsetType = UNSET


class WebRtcClientStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of one viewer."""

    measured_bitrate: int = 0
    send_bitrate: int = 0
    video_frame_send_period: float = 0.0
    audio_frame_send_period: float = 0.0
    client_id: int = 0
    video_packet_count: int = 0
    audio_packet_count: int = 0
    video_sent_stats: VideoSendStats | None = None
    audio_sent_stats: AudioSendStats | None = None
    client_info: str | None = None
    client_ip: str | None = None
