"""What stops `rillcast up` before anything is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.up import choose_discovery


def test_a_second_instance_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as first:
        first.remember("http://127.0.0.1:5080/")

        with pytest.raises(CannotGoOn, match=rf"already running at http://127.0.0.1:5080/ \(pid {os.getpid()}\)"):
            RunFolder(tmp_path).__enter__()

    with RunFolder(tmp_path) as again:
        assert again.url() is None


def test_consul_is_used_when_it_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RILLCAST_DISCOVERY", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_discovery().consul is None
    assert "no consul on PATH" in choose_discovery().sentence

    (tmp_path / "consul").write_text("#!/bin/sh\n")
    (tmp_path / "consul").chmod(0o755)
    assert choose_discovery().consul == tmp_path / "consul"

    monkeypatch.setenv("RILLCAST_DISCOVERY", "nats")
    assert choose_discovery().consul is None


def test_consul_asked_for_and_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RILLCAST_DISCOVERY", "consul")

    with pytest.raises(CannotGoOn, match="no consul on PATH"):
        choose_discovery()
