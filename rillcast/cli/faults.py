"""The errors of the command line: a sentence for the user, and what a log has to say about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CannotGoOn(Exception):
    """Ends a command with exit code 1. `details` are printed below the sentence."""

    code = 1

    def __init__(self, sentence: str, details: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details or []


class WrongUse(CannotGoOn):
    """What was typed makes no sense, and nobody was asked. Exit code 2."""

    code = 2


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What is done in this block writes `path`. Raises CannotGoOn with the reason if the system does not let it."""
    try:
        yield
    except OSError as error:
        raise CannotGoOn(f"cannot write {path}: {error.strerror}") from error
