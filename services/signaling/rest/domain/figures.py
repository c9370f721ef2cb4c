"""Figures of broadcasts as Ant Media's REST answers them."""

from __future__ import annotations

import msgspec


class BroadcastStatistics(msgspec.Struct, kw_only=True):
    """How many watch, by protocol; −1 where there is nothing to count."""

    rtmp: int = msgspec.field(default=-1, name="totalRTMPWatchersCount")
    hls: int = msgspec.field(default=-1, name="totalHLSWatchersCount")
    web_rtc: int = msgspec.field(default=-1, name="totalWebRTCWatchersCount")
    dash: int = msgspec.field(default=-1, name="totalDASHWatchersCount")


class AppBroadcastStatistics(BroadcastStatistics, kw_only=True):
    """Those of a whole app."""

    active_live_stream_count: int = msgspec.field(default=0, name="activeLiveStreamCount")


class AudioSendStats(msgspec.Struct, rename="camel", kw_only=True):
    """What was sent of audio to WebRTC clients."""

    audio_packets_sent: int = 0
    audio_bytes_sent: int = 0
    audio_packets_per_second: int = 0
    audio_bytes_sent_per_second: int = 0
    time_ms: int = 0


class VideoSendStats(msgspec.Struct, rename="camel", kw_only=True):
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


class SendStats(msgspec.Struct, rename="camel", kw_only=True):
    """What was sent to the WebRTC clients of an app."""

    audio_send_stats: AudioSendStats = msgspec.field(default_factory=AudioSendStats)
    video_send_stats: VideoSendStats = msgspec.field(default_factory=VideoSendStats)


class AudioReceiveStats(msgspec.Struct, rename="camel", kw_only=True):
    """What came of audio from WebRTC clients."""

    audio_packets_received: int = 0
    audio_bytes_received: int = 0
    audio_packets_lost: int = 0
    audio_jitter: float = 0.0
    audio_fraction_lost: float = 0.0
    audio_packets_received_per_second: int = 0
    audio_bytes_received_per_second: int = 0


class VideoReceiveStats(msgspec.Struct, rename="camel", kw_only=True):
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


class ReceiveStats(msgspec.Struct, rename="camel", kw_only=True):
    """What came from the WebRTC clients of an app."""

    audio_receive_stats: AudioReceiveStats = msgspec.field(default_factory=AudioReceiveStats)
    video_receive_stats: VideoReceiveStats = msgspec.field(default_factory=VideoReceiveStats)


class WebRtcClientStats(msgspec.Struct, rename="camel", kw_only=True):
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
