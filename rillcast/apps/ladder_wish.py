"""What an app and a broadcast ask a stream's ladder for, and in which codecs that will be. No I/O."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from rillcast.contracts.records import AppSettings, BroadcastRecord, LadderRung, LadderSettings

DECODED = ("H264", "VP8", "VP9", "AV1", "H265")
"""Codecs of sources that can be decoded."""
ENCODED = ("H264", "VP8")
"""Codecs in which rungs can be made."""
RUNG_WAIT_S = 3.0
"""How long a viewer who has only a codec that a ladder is about to make is kept waiting for it."""


class LadderWish(msgspec.Struct, frozen=True, kw_only=True):
    """The ladder that an app, or a broadcast, asks for."""

    rungs: tuple[LadderRung, ...] = ()
    """The rungs that are asked for. Their ``audioBitrate`` is 0: audio is not transcoded, so a change of it changes
    no ladder."""
    codecs: tuple[str, ...] = ("H264",)
    """The codecs in which every source is to be had, whatever its own is. Without `rungs` only VP8 counts, since
    somebody must have asked for it: no stream is transcoded by default."""
    always: bool = False
    """Whether rungs are encoded also while nobody watches them."""

    def __bool__(self) -> bool:
        return bool(self.rungs) or "VP8" in self.codecs

    @property
    def codecs_made(self) -> tuple[str, ...]:
        """The codecs in which every video that can be decoded is to be had."""
        return tuple(codec for codec in ENCODED if codec in self.codecs) if self else ()

    def codecs_to_come(self, present: Collection[str]) -> tuple[str, ...]:
        """The codecs in which a video will soon be had, if it is had in those that are `present`."""
        if not any(codec in DECODED for codec in present):
            return ()
        return tuple(codec for codec in self.codecs_made if codec not in present)


def wish_of(app: LadderSettings | AppSettings, broadcast: BroadcastRecord | None) -> LadderWish:
    """The app's settings, with the rungs of the broadcast where it has its own."""
    own = broadcast.encoder_settings_list if broadcast is not None else None
    rungs = app.encoder_settings if own is None else own
    codecs = (("H264", app.h264_enabled), ("VP8", app.vp8_enabled))
    return LadderWish(
        rungs=tuple(msgspec.structs.replace(rung, audio_bitrate=0) for rung in rungs),
        codecs=tuple(codec for codec, enabled in codecs if enabled),
        always=app.always_encode,
    )
