"""Types of broadcasts, and the addresses of those that are pulled from elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from rillcast.contracts.broadcast_records import KeptBroadcast

LIVE_STREAM = "liveStream"
IP_CAMERA = "ipCamera"
STREAM_SOURCE = "streamSource"
PLAYLIST = "playlist"
PULLED = frozenset({IP_CAMERA, STREAM_SOURCE, "VoD", PLAYLIST})
"""Types whose media the server fetches by itself."""
_SCHEMES = frozenset({"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "udp", "srt"})


def has_good_address(record: KeptBroadcast) -> bool:
    """Whether a stream source has an address from which media may come, and a camera any. Others need none."""
    if record.type == IP_CAMERA:
        return bool(record.ip_addr)
    return record.type != STREAM_SOURCE or _is_source(record.stream_url or "")


def _is_source(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        url == url.strip() and " " not in url and parts.scheme.lower() in _SCHEMES and len(url) > len(parts.scheme) + 3
    )
