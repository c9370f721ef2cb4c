"""The one error of the command line: a sentence for the user, and what a log has to say about it."""

from __future__ import annotations


class CannotGoOn(Exception):
    """Ends a command with exit code 1. `details` are printed below the sentence."""

    def __init__(self, sentence: str, details: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details or []
