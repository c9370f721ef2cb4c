"""The client of REST says what the tables say: its written files are made anew and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.client.__main__ import stray_files
from scripts.client.written import written


@pytest.mark.parametrize("name", sorted(written()))
def test_a_file_of_the_client_says_what_the_tables_say(root: Path, name: str) -> None:
    file = root / name

    fresh = file.exists() and file.read_text(encoding="utf-8") == written()[name]

    assert fresh, f"{name} is stale; run: make reference"


def test_there_is_no_file_that_nobody_writes() -> None:
    assert stray_files() == []
