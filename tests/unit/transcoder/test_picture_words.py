"""What a transcoder and its process that makes pictures say to each other."""

from __future__ import annotations

import pytest

from rillcast.contracts.messages import NoPreview
from rillcast.contracts.messages.previews import MOST_PICTURE_BYTES
from services.transcoder.domain import picture_words as words
from services.transcoder.domain.depacketizer import MAX_FRAME_BYTES
from services.transcoder.domain.picture_words import Made


def test_a_question_is_understood() -> None:
    said = words.question("VP8", b"keyframe")
    assert words.asked(said[: words.QUESTION.size]) == ("VP8", 8)
    assert said[words.QUESTION.size :] == b"keyframe"


def test_more_than_a_frame_is_not_asked() -> None:
    with pytest.raises(ValueError, match="larger"):
        words.question("VP8", bytes(MAX_FRAME_BYTES + 1))


@pytest.mark.parametrize(
    "made", [Made(b"jpeg", 320, 180), Made(why=NoPreview.UNDECODABLE), Made(why=NoPreview.TOO_LARGE)]
)
def test_an_answer_is_understood(made: Made) -> None:
    said = words.answer(made)
    head, size = words.told(said[: words.ANSWER.size])
    assert Made(said[words.ANSWER.size :], head.width, head.height, head.why) == made
    assert size == len(made.picture)


@pytest.mark.parametrize(
    ("outcome", "size"), [(3, 0), (255, 0), (0, 0), (1, 5), (0, MOST_PICTURE_BYTES + 1), (0, 2**32 - 1)]
)
def test_an_answer_that_makes_no_sense_is_not_believed(outcome: int, size: int) -> None:
    with pytest.raises(ValueError, match="no sense"):
        words.told(words.ANSWER.pack(outcome, 1, 1, size))
