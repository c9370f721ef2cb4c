"""The precedence of a transcoder's threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pytest

from services.transcoder.adapters.os_priority import PRIORITY, prefer_media

T = TypeVar("T")


def on_a_thread(work: Callable[[], T]) -> T:
    """The result of `work` on a thread of its own: nice values belong to threads, and this process keeps its own."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def nice() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def allowed() -> bool:
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
        return True
    return False


def test_a_thread_and_those_it_starts_get_precedence_where_the_system_allows_it() -> None:
    def work() -> tuple[int, int]:
        prefer_media()
        return nice(), on_a_thread(nice)

    expected = PRIORITY if on_a_thread(allowed) else on_a_thread(nice)
    assert on_a_thread(work) == (expected, expected)


def test_not_being_allowed_to_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    before = on_a_thread(nice)
    prefer_media()
    assert on_a_thread(nice) == before
