"""The glossary's second part leads from the usual name of a mechanism to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HEADING = "## Where a mechanism lives"
SEARCHED = [
    "congestion control",
    "GCC",
    "pacer",
    "NACK generator",
    "NACK responder",
    "RTX",
    "forwarder",
    "downtrack",
    "rendition selector",
    "temporal layer selector",
    "stream allocator",
    "jitter buffer",
    "fast start",
    "RTP munger",
    "GOP cache",
    "PLI",
    "FIR",
    "BWE",
    "ICE-lite",
    "simulcast",
    "cross-worker subscription",
    "SRTP",
    "DTLS",
]
"""What a WebRTC engineer would look for first."""


@pytest.fixture(scope="module")
def rows(root: Path) -> list[tuple[str, list[str]]]:
    """The usual name of each mechanism, and the files that the table names."""
    part = (root / "docs/glossary.md").read_text(encoding="utf-8").split(HEADING)[1]
    cells = [line.split("|")[1:3] for line in part.splitlines() if line.startswith("| ")][1:]
    return [(name.strip(), re.findall(r"`([^`]+)`", files)) for name, files in cells]


def test_every_mechanism_names_files_that_exist(root: Path, rows: list[tuple[str, list[str]]]) -> None:
    wrong = [name for name, files in rows if not files or not all((root / file).exists() for file in files)]

    assert len(rows) > 30
    assert wrong == []


@pytest.mark.parametrize("name", SEARCHED)
def test_what_an_engineer_searches_for_is_there(rows: list[tuple[str, list[str]]], name: str) -> None:
    assert any(re.search(rf"\b{re.escape(name)}\b", usual) for usual, _ in rows)
