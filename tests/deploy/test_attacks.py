"""The page about attacks names tests that there are, and every finding has some."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from named_tests import missing_tests, named_tests, shown_by_tests

MOST = {"C": 3, "H": 6, "M": 9, "L": 7}
FINDINGS = [f"{letter}{number}" for letter, most in MOST.items() for number in range(1, most + 1)]
MEASURED = "HO"
"""Half-open sessions were no finding, and are measured all the same."""
BENCHES = ("tests.bench.attacks", "tests.bench.floods")


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/attacks.md").read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of the tables, without their heads."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in ([cell.strip() for cell in line] for line in lines) if cells[0].strip("-")]


def test_every_test_that_it_names_is_there(root: Path, page: str) -> None:
    assert len(list(named_tests(page))) > len(FINDINGS)
    assert not missing_tests(root, page)


def test_a_name_that_is_not_there_is_found(root: Path) -> None:
    here = "tests/deploy/test_attacks.py"
    page = f"- `{here}`\n  - `test_a_name_that_is_not_there_is_found`\n  - `of_nothing`\n- `no/file.py`\n  - `nor`\n"

    assert missing_tests(root, page) == [f"{here}::of_nothing", "no/file.py::nor"]


def test_every_finding_has_a_row_and_a_section_with_tests(page: str) -> None:
    table = rows(page.partition("## Figures")[0])

    assert [cells[0] for cells in table if cells[0]] == [*FINDINGS, MEASURED]
    assert all(len(cells) == 4 and all(cells) for cells in table if cells[0])
    assert shown_by_tests(page) == {*FINDINGS, MEASURED}


def test_every_figure_says_by_what_it_was_found(root: Path, page: str) -> None:
    figures = rows(page.partition("## Figures")[2].partition("\n## ")[0])[1:]

    assert figures
    for _, figure, by in figures:
        assert re.search(r"\d|none", figure), figure
        (named,) = re.findall(r"`([\w./]+)", by)
        assert (root / named).is_file() or named in BENCHES, by
