"""The language between a transcoder and the process that makes its small pictures. No I/O.

A question is a head and a keyframe; an answer is a head and a JPEG, which is empty where there is none. Once, when it
is ready, the process says `READY`.
"""

from __future__ import annotations

import struct

import msgspec

from rillcast.contracts.messages.previews import MOST_PICTURE_BYTES, NoPreview
from services.transcoder.domain.depacketizer import MAX_FRAME_BYTES

READY = b"\x06"
QUESTION = struct.Struct("!8sI")
"""The codec, filled up with zeros, and how many bytes the keyframe has."""
ANSWER = struct.Struct("!BHHI")
"""Which of `_OUTCOMES`, width, height, and how many bytes the picture has."""
_OUTCOMES: tuple[NoPreview | None, ...] = (None, NoPreview.UNDECODABLE, NoPreview.TOO_LARGE)


class Made(msgspec.Struct, frozen=True):
    """What came of a keyframe."""

    picture: bytes = b""
    width: int = 0
    height: int = 0
    why: NoPreview | None = None
    """None where there is a picture."""


def question(codec: str, keyframe: bytes) -> bytes:
    """What the process is sent. Raises ValueError for what is larger than any frame."""
    if len(keyframe) > MAX_FRAME_BYTES:
        raise ValueError("larger than any frame")
    return QUESTION.pack(codec.encode(), len(keyframe)) + keyframe


def asked(head: bytes) -> tuple[str, int]:
    """The codec, and how many bytes follow."""
    codec, size = QUESTION.unpack(head)
    return codec.rstrip(b"\0").decode(), size


def answer(made: Made) -> bytes:
    """What the process says."""
    head = ANSWER.pack(_OUTCOMES.index(made.why), made.width, made.height, len(made.picture))
    return head + made.picture


def told(head: bytes) -> tuple[Made, int]:
    """The answer without its picture, and how many bytes follow. Raises ValueError for one that makes no sense: a
    process that decodes hostile pictures is not believed."""
    outcome, width, height, size = ANSWER.unpack(head)
    if outcome >= len(_OUTCOMES) or size > MOST_PICTURE_BYTES or (size == 0) is (_OUTCOMES[outcome] is None):
        raise ValueError("an answer that makes no sense")
    return Made(b"", width, height, _OUTCOMES[outcome]), size
