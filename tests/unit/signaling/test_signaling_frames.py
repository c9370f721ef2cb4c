"""What clients send, in all the forms in which they send it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TypeVar

import pytest

from services.signaling.websocket.domain.frames import BadFrame, flag, free_text, height, is_candidate, parse_frame

Returned = TypeVar("Returned")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (360, 360),
        (0, 0),
        ("720", 720),
        (" 480 ", 480),
        ("auto", 0),
        ("AUTO", 0),
        (360.0, 360),
        (True, None),
        (-1, None),
        ("x", None),
        ("٣", None),
        (None, None),
        ([], None),
        (float("nan"), None),
        (1e9, None),
    ],
)
def test_heights_are_read_in_every_form_clients_send(sent: object, meant: int | None) -> None:
    assert height(sent) == meant


def test_flags_are_booleans_or_their_words() -> None:
    assert [flag(value) for value in (True, False, "true", "FALSE", 1, None)] == [True, False, True, False, None, None]


@pytest.mark.parametrize(
    ("candidate", "good"),
    [
        ("", True),
        (None, True),
        ("candidate:1 1 udp 1 192.0.2.1 5000 typ host", True),
        ("candidate:1", False),
        ("hello", False),
        (7, False),
        ("candidate:1 1 udp 1 a 5 typ host\r\nx", False),
        ("candidate:" + "1 " * 999, False),
    ],
)
def test_candidates_are_recognised(candidate: object, good: bool) -> None:
    assert is_candidate(candidate) == good


def deeper(calls: int, function: Callable[[], Returned]) -> Returned:
    """What the function returns when it is called so much further down the stack."""
    return function() if not calls else deeper(calls - 1, function)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_whatever_can_be_read_can_be_shown_or_is_too_long(opening: str, closing: str) -> None:
    """The stack is deeper where a field is shown than where its frame is read."""
    shown = []
    for depth in (1, *range(sys.getrecursionlimit() - 250, sys.getrecursionlimit() + 50)):
        with contextlib.suppress(BadFrame):
            meta_data = parse_frame(f'{{"metaData":{opening * depth}1{closing * depth}}}').meta_data
            shown.append(deeper(60, lambda value=meta_data: free_text(value, 10)))  # type: ignore[misc]
    assert shown[0] == f"{opening}1{closing}"
    assert shown[-1] is None
