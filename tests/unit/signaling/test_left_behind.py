"""Sessions left behind at nodes that are taken for gone: each is named once, and how many there are is bounded."""

from __future__ import annotations

import pytest

from rillcast.contracts.ids import NodeId, SessionId
from services.signaling.core.domain.left_behind import LeftBehind


def test_each_session_is_named_once_at_its_node() -> None:
    left = LeftBehind()
    for number in range(4):
        left.add(SessionId(str(number)), NodeId(f"e{number % 2}"))
    assert left.at(NodeId("e0")) == ["0", "2"]
    assert left.at(NodeId("e0")) == []
    assert left.at(NodeId("e1")) == ["1", "3"]
    assert len(left) == 0


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.signaling.core.domain.left_behind.MOST_LEFT_BEHIND", 3)
    left = LeftBehind()
    for number in range(5):
        left.add(SessionId(str(number)), NodeId("e"))
    assert left.at(NodeId("e")) == ["2", "3", "4"]
