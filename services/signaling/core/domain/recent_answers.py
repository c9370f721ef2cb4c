"""Answers that are asked for again and again by those who wait, kept for a moment."""

from __future__ import annotations

from collections import OrderedDict


class RecentAnswers:
    """Yes or no by question. Bounded: of more than `most`, the oldest are forgotten."""

    def __init__(self, *, life_s: float, most: int) -> None:
        self._life_s = life_s
        self._most = most
        self._answers: OrderedDict[str, tuple[bool, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, question: str, now_s: float) -> bool | None:
        """The answer, unless it is too old or there was none. `now_s`: monotonic seconds."""
        found = self._answers.get(question)
        if found is None or now_s - found[1] >= self._life_s:
            return None
        return found[0]

    def put(self, question: str, answer: bool, now_s: float) -> None:
        """Somebody was asked."""
        self._answers.pop(question, None)
        self._answers[question] = (answer, now_s)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
