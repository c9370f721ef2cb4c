"""The set-up keeps the output of each command that it runs in a log of its own."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from scripts import machine

ROOT = Path(__file__).resolve().parents[2]


def test_installing_everything_the_tests_need_has_a_log_that_a_file_system_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    tools = importlib.import_module("test_tools").TEST_TOOLS
    packages = [package for names in tools.values() for package in names]
    assert len(machine.log_of("installing " + " ".join(packages)).name.encode()) <= 255


def test_two_long_lists_that_begin_alike_have_two_logs() -> None:
    lists = ["installing " + " ".join(["package"] * 60 + [last]) for last in ("coturn", "caddy")]
    assert machine.log_of(lists[0]) != machine.log_of(lists[1])


def test_a_command_with_a_long_name_runs_and_leaves_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LOGS", tmp_path)
    what = "saying " + "much " * 100
    assert machine.run(what, ["echo", "said"])
    assert machine.log_of(what).read_text() == "said\n"
