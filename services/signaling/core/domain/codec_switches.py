"""What the switches of an app (``h264Enabled`` and its like) say of the video codecs of a session."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rillcast.contracts.records import AppSettings

SWITCHES: Mapping[str, str] = {
    "H264": "h264_enabled",
    "VP8": "vp8_enabled",
    "VP9": "vp9_enabled",
    "AV1": "av1_enabled",
    "H265": "h265_enabled",
}
"""The field of `AppSettings` for each codec, in the order in which publishers with a socket are to send them."""
ALWAYS_STRICT = "H264"
"""The one codec whose switch is true by default: where it is false, somebody has said so."""
_READ_BEFORE = "updateTime"
"""Nobody writes this key. A body that has it was read before, so what is unchanged in it says nothing."""
_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(AppSettings)}


class CodecRule(msgspec.Struct, frozen=True):
    """What holds for one session as long as it lives, at whatever node it is. The default: every codec is taken, in the
    order in which it is offered."""

    off: tuple[str, ...] = ()
    """Codecs that are switched off."""
    preferred: tuple[str, ...] = ()
    """Codecs that are switched on, the best first."""

    def as_offered(self) -> CodecRule:
        """The same for a client whose own order counts, such as those of WHIP (RFC 9725)."""
        return CodecRule(off=self.off)


def codec_rule(settings: AppSettings) -> CodecRule:
    """For a session that begins while these settings hold. Where no codec is switched on, all are off."""
    enabled = tuple(codec for codec, field in SWITCHES.items() if getattr(settings, field))
    strict = {ALWAYS_STRICT, *settings.strict_codecs} if enabled else set(SWITCHES)
    off = tuple(codec for codec in SWITCHES if codec in strict and codec not in enabled)
    return CodecRule(off=off, preferred=enabled)


def said_strictly(posted: Mapping[str, msgspec.Raw], current: AppSettings) -> tuple[str, ...]:
    """`AppSettings.strict_codecs` after this was posted over the `current` settings, with the names of the wire."""
    said = set[str](current.strict_codecs)
    for codec, field in SWITCHES.items():
        raw = posted.get(_WIRE[field])
        unchanged = _READ_BEFORE in posted and not getattr(current, field)
        if codec != ALWAYS_STRICT and raw is not None and bytes(raw).strip() == b"false" and not unchanged:
            said.add(codec)
    return tuple(codec for codec in SWITCHES if codec in said)
