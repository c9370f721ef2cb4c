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


@pytest.mark.parametrize("taken", ["", "logs", "lock"])
def test_a_run_folder_that_cannot_be_one_is_said(tmp_path: Path, taken: str) -> None:
    """It is a file; its folder of logs is one; its lock is a folder."""
    place = tmp_path / "run"
    (place / taken).parent.mkdir(parents=True, exist_ok=True)
    (place / taken).mkdir() if taken == "lock" else (place / taken).write_text("")

    with pytest.raises(CannotGoOn, match=rf"cannot write {place / taken}.*: (File exists|Not a|Is a)"):
        RunFolder(place).__enter__()


def test_a_run_folder_below_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotGoOn, match=r"cannot write .*/file/run/logs: Not a directory"):
        RunFolder(tmp_path / "file" / "run").__enter__()


def test_a_run_folder_that_may_not_be_written_is_said() -> None:
    with pytest.raises(CannotGoOn, match="cannot write /proc/rillcast"):
        RunFolder(Path("/proc/rillcast")).__enter__()


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        (tmp_path / "state.json").mkdir()
        with pytest.raises(CannotGoOn, match=r"cannot write .*/state.json: Is a directory"):
            folder.remember("http://127.0.0.1:5080/")
        (tmp_path / "state.json").rmdir()


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
