"""What clients ask about a live stream: its renditions, and itself as an Ant Media broadcast object."""

from __future__ import annotations

from typing import Any

import msgspec

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.broadcast_records import Destination, HlsParameters, KeptBroadcast, PlayListItem
from rillcast.contracts.records import LadderRung, TrackRecord
from rillcast.contracts.words import MediaKind

BROADCASTING = "broadcasting"
FINISHED = "finished"
LOST = "terminated_unexpectedly"
UNDER_WAY = frozenset({BROADCASTING, "preparing"})
"""What the record of a stream that is live may say of it."""


class Rendition(msgspec.Struct, rename="camel", kw_only=True):
    """One entry of ``streamInfo`` in ``streamInformation``."""

    stream_width: int
    stream_height: int
    video_bitrate: int
    audio_bitrate: int
    video_codec: str


def renditions(live: LiveStream) -> list[Rendition]:
    """One entry per video rendition, highest first."""
    tracks = [supply.track for supply in live.supplies()]
    audio = max((track.bitrate_bps for track in tracks if track.kind is MediaKind.AUDIO), default=0)
    video = sorted((track for track in tracks if track.kind is MediaKind.VIDEO), key=lambda track: -track.height)
    return [_rendition(track, audio) for track in video] or [_rendition(None, audio)]


def is_measured(live: LiveStream) -> bool:
    """Whether the size of the publisher's video is known, if it sends any."""
    video = [track for track in live.record.tracks if track.kind is MediaKind.VIDEO]
    return not video or any(track.height for track in video)


def heights(live: LiveStream) -> list[Rendition]:
    """The same with each height once: players make a menu of them. Of several of one height, the first in the
    publisher's codec counts."""
    source = next((track.codec for track in live.record.tracks if track.kind is MediaKind.VIDEO), "")
    found: dict[int, Rendition] = {}
    for one in sorted(renditions(live), key=lambda one: (-one.stream_height, one.video_codec != source)):
        found.setdefault(one.stream_height, one)
    return list(found.values())


def _rendition(video: TrackRecord | None, audio_bps: int) -> Rendition:
    return Rendition(
        stream_width=video.width if video else 0,
        stream_height=video.height if video else 0,
        video_bitrate=video.bitrate_bps if video else 0,
        audio_bitrate=audio_bps,
        video_codec=video.codec if video else "",
    )


class Broadcast(msgspec.Struct, rename="camel", kw_only=True):
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
    end_point_list: tuple[Destination, ...] | None = None
    play_list_item_list: tuple[PlayListItem, ...] | None = None
    public_stream: bool = True
    is360: bool = False
    listener_hook_url: str | None = msgspec.field(default=None, name="listenerHookURL")
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
    expire_duration_ms: int = msgspec.field(default=0, name="expireDurationMS")
    rtmp_url: str | None = msgspec.field(default=None, name="rtmpURL")
    zombi: bool = False
    pending_packet_size: int = 0
    hls_viewer_count: int = 0
    dash_viewer_count: int = 0
    web_rtc_viewer_count: int = msgspec.field(default=0, name="webRTCViewerCount")
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
    web_rtc_viewer_limit: int = msgspec.field(default=-1, name="webRTCViewerLimit")
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
    encoder_settings_list: tuple[LadderRung, ...] | None = None
    """The rungs of this stream; null where it has those of its app."""
    virtual: bool = False
    max_idle_time: int = 0
    anyone_watching: bool = False


def created(record: KeptBroadcast, *, ended: bool = False) -> Broadcast:
    """A broadcast that isn't live, as Ant Media's REST shows it. `ended`: whether it is known to have been ended, which
    is not written yet."""
    return Broadcast(**(_kept(record) | {"status": status_of(record, ended=ended)}))


def status_of(record: KeptBroadcast, *, ended: bool) -> str:
    """The status of a broadcast that isn't live. One that should be, and of which nobody has said that it ended, was
    lost with its origin."""
    if record.status not in UNDER_WAY:
        return record.status or "created"
    return FINISHED if ended else LOST


def broadcast(live: LiveStream, viewers: int, origin_address: str, settings: KeptBroadcast | None) -> Broadcast:
    """A live stream as Ant Media's REST and ``getBroadcastObject`` show it. `settings`: what was set for it, if
    anything was; what the publisher says of itself counts before that."""
    record = live.record
    video = [track for track in record.tracks if track.kind is MediaKind.VIDEO]
    largest = max(video, key=lambda track: track.height, default=None)
    kept = _kept(settings) if settings is not None else {"stream_id": record.stream, "zombi": True}
    figures = record.figures
    seen = {
        "status": "broadcasting" if record.media_flowing else "preparing",
        "publish_type": record.publish_type,
        "name": record.name or kept.get("name"),
        "date": kept.get("date") or record.started_at_ms,
        "start_time": record.started_at_ms,
        "absolute_start_time_ms": record.started_at_ms,
        "update_time": kept.get("update_time") or record.started_at_ms,
        "origin_adress": origin_address or None,
        "web_rtc_viewer_count": viewers,
        "anyone_watching": viewers > 0,
        "bitrate": sum(track.bitrate_bps for track in record.tracks),
        "width": largest.width if largest else 0,
        "height": largest.height if largest else 0,
        "speed": 1.0,
        "received_bytes": figures.received_bytes,
        "packets_lost": figures.packets_lost,
        "packet_lost_ratio": figures.packets_lost / max(1, figures.packets + figures.packets_lost),
        "meta_data": record.meta_data or kept.get("meta_data"),
    }
    return Broadcast(**(kept | seen))


def _kept(record: KeptBroadcast) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _KEPT}


_KEPT = tuple(name for name in Broadcast.__struct_fields__ if name in KeptBroadcast.__struct_fields__)
