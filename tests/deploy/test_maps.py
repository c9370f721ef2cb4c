"""The maps in the documentation name every package, crate, room and suite of tests that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path


def first_cells(root: Path, page: str, heading: str) -> set[str]:
    """What stands between backticks in the first column of the first table after a heading or a line of text."""
    lines = (root / page).read_text(encoding="utf-8").split(heading, 1)[1].splitlines()
    table: list[str] = []
    for line in lines:
        if line.startswith("|"):
            table.append(line)
        elif table:
            break
    return {name for row in table for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def folders(path: Path, holds: str) -> set[str]:
    """The folders below `path` that hold a file that matches."""
    return {folder.name for folder in path.iterdir() if folder.is_dir() and any(folder.glob(holds))}


def test_every_package_of_the_library_is_on_both_maps(root: Path) -> None:
    packages = folders(root / "rillcast", "__init__.py")
    contributing = first_cells(root, "CONTRIBUTING.md", "## Where things are")

    assert first_cells(root, "docs/architecture.md", "What several services need lies in `rillcast/`:") == packages
    assert {f"rillcast/{name}" for name in packages} == {name for name in contributing if name.startswith("rillcast/")}


def test_every_crate_is_on_the_map(root: Path) -> None:
    crates = folders(root / "native/crates", "Cargo.toml")

    assert first_cells(root, "docs/architecture.md", "## The media plane") == crates


def test_every_room_of_signaling_is_on_the_map(root: Path) -> None:
    rooms = folders(root / "services/signaling", "__init__.py")

    assert first_cells(root, "docs/architecture.md", "signaling is larger than the others") == rooms


def test_every_suite_of_tests_is_on_both_maps(root: Path) -> None:
    suites = folders(root / "tests", "**/*.py")

    assert first_cells(root, "docs/architecture.md", "## Tests") == suites
    assert first_cells(root, "CONTRIBUTING.md", "## The suites of tests") == {f"tests/{name}" for name in suites}


def test_every_decision_is_in_the_list(root: Path) -> None:
    records = {path.name for path in (root / "docs/decisions").glob("0*.md")}

    assert set(re.findall(r"\]\((0[^)]+)\)", (root / "docs/decisions/README.md").read_text())) == records
