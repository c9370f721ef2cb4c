"""Ports of tests that run at the same time."""

from __future__ import annotations

import pytest

from rillcast.testing.servers import own_share


def share_of(monkeypatch: pytest.MonkeyPatch, worker: str, workers: int) -> set[int]:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", str(workers))
    return set(own_share(range(100, 201)))


def test_workers_share_all_numbers_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = [share_of(monkeypatch, f"gw{number}", 3) for number in range(3)]
    assert sorted(number for share in shares for number in share) == [*range(100, 201)]


def test_a_worker_that_replaces_another_one_has_a_share_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert share_of(monkeypatch, "gw5", 2) == share_of(monkeypatch, "gw1", 2)


def test_without_workers_everything_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    assert own_share(range(100, 201)) == range(100, 201)
