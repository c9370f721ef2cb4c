"""The comparison of what joins cost: which code is compared, and what is made of the readings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.arithmetic import ratio_quartiles
from tests.bench.code_under_test import Unbuilt, code_of, python_of
from tests.bench.join_cost import Phase, Reading, between
from tests.bench.machine import ROOT


def test_what_is_used_without_clients_is_taken_off() -> None:
    phase = between(Reading(10.0, {"edge": 5.0}), Reading(12.0, {"edge": 5.5}))
    assert phase == Phase(2.0, {"edge": 0.5})
    assert phase.each_ms({"edge": 0.05}, 100)["edge"] == pytest.approx(4.0)


def test_a_round_in_which_the_machine_was_busy_does_not_change_the_ratio() -> None:
    assert ratio_quartiles([2.0, 2.2, 9.0], [2.0, 2.0, 9.0]) == pytest.approx((1.0, 1.0, 1.05))


def _clone(folder: Path, rust: str) -> Path:
    crate = folder / "native/crates/plane"
    crate.mkdir(parents=True)
    (folder / "rillcast").mkdir()
    (folder / "native/Cargo.lock").write_text("")
    (crate / "lib.rs").write_text(rust)
    return folder


def test_code_with_another_plane_is_not_run_with_ours(tmp_path: Path) -> None:
    with pytest.raises(Unbuilt, match="make setup"), code_of(str(_clone(tmp_path, "fn other() {}"))):
        pass


def test_a_folder_with_an_environment_of_its_own_runs_in_it(tmp_path: Path) -> None:
    own = _clone(tmp_path, "fn other() {}") / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.touch()
    assert python_of(tmp_path) == str(own)


def test_code_with_our_plane_runs_with_our_python() -> None:
    own = ROOT / ".venv/bin/python"
    assert python_of(ROOT) == (str(own) if own.exists() else sys.executable)
