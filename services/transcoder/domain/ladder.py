"""Which rungs a stream gets: the app's encoder settings against what the source is. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import LadderRung, TrackRecord

MAX_RUNGS = 16
MIN_HEIGHT, MAX_HEIGHT = 16, 4320
MIN_BITRATE_BPS, MAX_BITRATE_BPS = 10_000, 100_000_000
MAX_SOURCE_SIDE = 8192
CODECS = ("H264", "VP8")
"""Source codecs that can be decoded and whose rungs are encoded, each in its own codec."""


class LadderRefused(Exception):
    """Settings or a source no ladder can be made for; the message says why."""


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition to encode. Width and height are even."""

    track: TrackId
    width: int
    height: int
    bitrate_bps: int


def check_settings(settings: Sequence[LadderRung]) -> None:
    """Raises LadderRefused naming the impossible setting."""
    if len(settings) > MAX_RUNGS:
        raise LadderRefused(f"{len(settings)} rungs are set; at most {MAX_RUNGS} are possible")
    heights: set[int] = set()
    for rung in settings:
        if not MIN_HEIGHT <= rung.height <= MAX_HEIGHT:
            raise LadderRefused(f"a rung's height is {rung.height}; it must be {MIN_HEIGHT} to {MAX_HEIGHT}")
        if not MIN_BITRATE_BPS <= rung.video_bitrate <= MAX_BITRATE_BPS:
            raise LadderRefused(
                f"the {rung.height}p rung's videoBitrate is {rung.video_bitrate} bit/s; "
                f"it must be {MIN_BITRATE_BPS} to {MAX_BITRATE_BPS}"
            )
        if rung.height in heights:
            raise LadderRefused(f"there are two rungs of height {rung.height}")
        heights.add(rung.height)


def source_track(tracks: Sequence[TrackRecord]) -> TrackRecord | None:
    """The track to make a ladder of; None for streams that need none (audio only, or simulcast: it brings its own
    layers).

    Raises LadderRefused for a video that can't be decoded here.
    """
    videos = [track for track in tracks if track.kind == "video"]
    if len(videos) != 1 or videos[0].rid:
        return None
    video = videos[0]
    if video.codec not in CODECS:
        raise LadderRefused(f"the source is {video.codec[:16]}; ladders are made of {' and '.join(CODECS)}")
    if video.clock_rate != 90_000:
        raise LadderRefused(f"the source's clock rate is {video.clock_rate}, not 90000")
    return video


def plan(settings: Sequence[LadderRung], source: TrackRecord, width: int, height: int) -> tuple[Rung, ...]:
    """The rungs for a source of this size, highest first. Rungs above the source are skipped; one of its very height
    is made unless its forceEncode is off, since the source itself is a rendition too."""
    if not 0 < width <= MAX_SOURCE_SIDE or not 0 < height <= MAX_SOURCE_SIDE:
        return ()
    fitting = [rung for rung in settings if rung.height < height or (rung.height == height and rung.force_encode)]
    return tuple(
        Rung(
            track=TrackId(f"{source.track}.{rung.height}p"),
            width=width_for(rung.height, width, height),
            height=_even(rung.height),
            bitrate_bps=rung.video_bitrate,
        )
        for rung in sorted(fitting, key=lambda rung: -rung.height)
    )


def width_for(height: int, source_width: int, source_height: int) -> int:
    """The even width that keeps the source's aspect ratio at this height."""
    return min(max(2, _even(round(height * source_width / source_height))), MAX_SOURCE_SIDE)


def track_record(rung: Rung, source: TrackRecord) -> TrackRecord:
    """How relays and viewers know the rung."""
    return TrackRecord(
        track=rung.track,
        mid=source.mid,
        kind="video",
        codec=source.codec,
        clock_rate=source.clock_rate,
        fmtp=h264_fmtp(rung.width, rung.height) if source.codec == "H264" else "",
        width=rung.width,
        height=rung.height,
        bitrate_bps=rung.bitrate_bps,
    )


_LEVELS = ((1620, 0x1E), (3600, 0x1F), (8192, 0x28), (22_080, 0x32))
"""Highest frame size in macroblocks of H.264 levels 3, 3.1, 4 and 5 (ITU-T H.264 table A-1)."""


def h264_fmtp(width: int, height: int) -> str:
    """Constrained baseline, which every H.264 decoder takes, at the level this size needs (RFC 6184 §8.1)."""
    macroblocks = ((width + 15) // 16) * ((height + 15) // 16)
    level = next((level for most, level in _LEVELS if macroblocks <= most), 0x34)
    return f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e0{level:02x}"


def _even(value: int) -> int:
    return value - value % 2
