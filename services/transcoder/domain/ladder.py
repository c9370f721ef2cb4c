"""Which rungs a stream gets: what its app or broadcast asks for against what the source is. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rillcast.apps.ladder_settings import MAX_BITRATE_BPS, MIN_BITRATE_BPS, LadderRefused
from rillcast.apps.ladder_wish import DECODED, ENCODED, LadderWish
from rillcast.contracts.ids import TrackId
from rillcast.contracts.records import LadderRung, TrackRecord
from rillcast.contracts.words import MediaKind

MAX_SOURCE_SIDE = 8192
BITS_PER_PIXEL = 0.07
FRAMES_PER_SECOND = 30
"""For the bit rate of a rung nobody set: 720p gets 1.9 Mbit/s, 360p 0.5."""


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rendition to encode. Width and height are even numbers."""

    track: TrackId
    codec: str
    width: int
    height: int
    bitrate_bps: int


def source_track(tracks: Sequence[TrackRecord]) -> TrackRecord | None:
    """The track to make a ladder of; None for streams without video. Of simulcast layers it is the largest one that
    carries something.

    Raises LadderRefused for a video that can't be decoded here.
    """
    layers = [track for track in tracks if track.kind is MediaKind.VIDEO]
    if not layers:
        return None
    layers = [track for track in layers if track.mid == layers[0].mid]
    video = max(layers, key=lambda layer: (layer.bitrate_bps > 0, layer.height, layer.bitrate_bps))
    if video.codec not in DECODED:
        raise LadderRefused(f"the source is {video.codec[:16]}; ladders are made of {', '.join(DECODED)}")
    if video.clock_rate != 90_000:
        raise LadderRefused(f"the source's clock rate is {video.clock_rate}, not 90000")
    return video


def plan(
    wish: LadderWish, source: TrackRecord, tracks: Sequence[TrackRecord], width: int, height: int
) -> tuple[Rung, ...]:
    """The rungs for a source of this size among the publisher's `tracks`, highest first.

    Rungs above the source are skipped, and those that the publisher sends itself: a simulcast layer of about that
    height, or the source at its very height if the rung's forceEncode is off. A codec the publisher doesn't send gets
    at least one rung, if need be of the source's size: else viewers who have only that one would see nothing.
    """
    if not 0 < width <= MAX_SOURCE_SIDE or not 0 < height <= MAX_SOURCE_SIDE:
        return ()
    siblings = [track for track in tracks if track.mid == source.mid]
    taken = {track.track for track in siblings}
    rungs: list[Rung] = []
    for codec in ENCODED:
        sent = [track for track in siblings if track.codec == codec]
        if not sent and codec not in wish.codecs:
            continue
        found = [
            _rung(source, codec, (width, height), setting.height, setting.video_bitrate)
            for setting in wish.rungs
            if setting.height <= height and not _sent_already(setting, sent, height)
        ]
        if not found and not sent:
            found = [_rung(source, codec, (width, height), height, _usual_bitrate(width, height))]
        rungs += [rung for rung in found if rung.track not in taken]
    return tuple(sorted(rungs, key=lambda rung: -rung.height))


def _sent_already(setting: LadderRung, sent: Sequence[TrackRecord], height: int) -> bool:
    if any(track.rid for track in sent):
        return any(track.bitrate_bps and abs(track.height - setting.height) * 10 <= setting.height for track in sent)
    forced = setting.force_encode or setting.force_same_resolution_encode
    return bool(sent) and setting.height == height and not forced


def _rung(source: TrackRecord, codec: str, size: tuple[int, int], height: int, bitrate_bps: int) -> Rung:
    suffix = "" if codec == source.codec else f".{codec.lower()}"
    return Rung(
        track=TrackId(f"{source.mid}.{height}p{suffix}"),
        codec=codec,
        width=width_for(height, *size),
        height=max(2, _even(height)),
        bitrate_bps=bitrate_bps,
    )


def _usual_bitrate(width: int, height: int) -> int:
    bitrate_bps = round(width * height * BITS_PER_PIXEL * FRAMES_PER_SECOND)
    return min(max(bitrate_bps, MIN_BITRATE_BPS), MAX_BITRATE_BPS)


def width_for(height: int, source_width: int, source_height: int) -> int:
    """The even width that keeps the source's aspect ratio at this height."""
    return min(max(2, _even(round(height * source_width / source_height))), MAX_SOURCE_SIDE)


def track_record(rung: Rung, source: TrackRecord) -> TrackRecord:
    """How relays and viewers know the rung."""
    return TrackRecord(
        track=rung.track,
        mid=source.mid,
        kind=MediaKind.VIDEO,
        codec=rung.codec,
        clock_rate=source.clock_rate,
        fmtp=h264_fmtp(rung.width, rung.height) if rung.codec == "H264" else "",
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
