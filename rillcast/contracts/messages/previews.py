"""A small still picture of a stream, made by a transcoder while somebody looks: from signaling."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from rillcast.contracts.fields import Lines, UnixMs, Word
from rillcast.contracts.ids import AppName, StreamId

MOST_PICTURE_BYTES = 65_536
PICTURE_TYPE = "image/jpeg"
"""What every picture is."""
LONGEST_SIDE = 320
"""Pixels. A picture keeps the shape of its source, and is never larger than that."""
Picture = Annotated[bytes, msgspec.Meta(max_length=MOST_PICTURE_BYTES)]
"""A JPEG. On the bus it is text in base64."""


class NoPreview(StrEnum):
    """Why there is no picture. A word of a newer version reads as FAILED."""

    NO_VIDEO = "no_video"
    """The stream has sound alone."""
    CODEC = "codec"
    """Its video is of a codec that is not decoded here."""
    NO_KEYFRAME = "no_keyframe"
    """No picture has come that can be decoded without others."""
    UNDECODABLE = "undecodable"
    """What came is no picture of its codec. It may be damaged, or encrypted from end to end."""
    TOO_LARGE = "too_large"
    """Its pictures are larger than what is decoded here."""
    FAILED = "failed"
    """The process that makes pictures ended, or took too long."""

    @classmethod
    def _missing_(cls, value: object) -> NoPreview:
        return cls.FAILED


class PreviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which stream a picture is wanted of."""

    app: AppName
    stream: StreamId


class PreviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A picture, or why there is none."""

    picture: Picture = b""
    width: Lines = 0
    height: Lines = 0
    taken_ms: UnixMs = 0
    """When it was made, by the wall clock of the transcoder."""
    why: NoPreview | None = None
    """Null where there is a picture."""
    codec: Word = ""
    """Of the video, as far as there is one."""
