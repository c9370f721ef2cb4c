"""Questions that come before there is an answer: players ask for the renditions as soon as they play.

The size of a stream is known when its first picture was measured, and the rungs of its ladder when a transcoder has
announced them. Until then the answer waits, for 3 s at most; then what there is, is the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.ids import StreamId
from services.signaling.websocket.domain.asked import Question
from services.signaling.websocket.domain.effects import AskAgain, Effect
from services.signaling.websocket.domain.questions import Questions

PAUSE_S = 0.2
LONGEST_S = 3.0
MOST_HELD = 8
"""Of one socket. What is asked beyond is answered at once."""


class HeldQuestions:
    """Those that one socket has asked."""

    def __init__(self, questions: Questions, has: Callable[[StreamId], bool]) -> None:
        """`has`: whether the socket publishes or plays a stream at this moment."""
        self._questions = questions
        self._has = has
        self._held: dict[int, tuple[Question, float]] = {}
        self._last = 0

    def answer(self, asked: Question) -> list[Effect]:
        """The answer, or what leads to it."""
        if len(self._held) >= MOST_HELD or not self._waits(asked):
            return self._questions.answer(asked)
        self._last += 1
        self._held[self._last] = (asked, LONGEST_S - PAUSE_S)
        return [AskAgain(self._last, PAUSE_S)]

    def again(self, number: int) -> list[Effect]:
        """Some time has passed for the question that `AskAgain` has named. Nothing happens after `drop`."""
        if number not in self._held:
            return []
        asked, left_s = self._held.pop(number)
        if left_s <= 0 or not self._waits(asked):
            return self._questions.answer(asked)
        self._held[number] = (asked, left_s - PAUSE_S)
        return [AskAgain(number, PAUSE_S)]

    def drop(self) -> None:
        """The socket is gone, and nobody wants an answer."""
        self._held.clear()

    def _waits(self, asked: Question) -> bool:
        """A stream that the client has is about to be known here if it is not yet."""
        return self._questions.is_to_come(asked, has=self._has(asked.stream))
