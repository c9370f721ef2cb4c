"""The page about what people meet in the field names tests that there are, and counts the corpus as it is."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from named_tests import missing_tests, named_tests, shown_by_tests

REPORTS = ("1", "2", "3", "4", "4b", "5", "5b", "6", "7", "8", "9", "9b", "10", "11", "13", "15", "16")
"""As the page numbers them, in the order of its table."""
FEW = 4
"""Sources with fewer offers are counted together."""


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/field.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def corpus(root: Path) -> dict[str, dict[str, Any]]:
    """All offers by their names."""
    return tomllib.loads((root / "tests/vectors/sdp/offers/offers.toml").read_text(encoding="utf-8"))


def test_every_test_that_it_names_is_there(root: Path, page: str) -> None:
    assert len(list(named_tests(page))) > len(REPORTS)
    assert not missing_tests(root, page)


def test_every_report_of_its_table_has_a_section_with_tests(page: str) -> None:
    rows = re.findall(r"^\| (\d+b?) \|", page.partition("## Figures")[0], re.M)

    assert tuple(rows) == REPORTS
    assert shown_by_tests(page) == set(REPORTS)


def test_it_counts_the_corpus_as_it_is(page: str, corpus: dict[str, dict[str, Any]]) -> None:
    said = " ".join(page.split())
    basis = Counter(entry["basis"] for entry in corpus.values())
    viewers = sum("plays" in entry for entry in corpus.values())
    refused = sum("refused" in entry for entry in corpus.values())

    assert f"has {len(corpus)} offers as clients write them: {len(corpus) - viewers} of publishers" in said
    assert f"and {viewers} of viewers, of which {refused} are refused in words" in said
    assert f"{basis['shown']} are shown by their source, {basis['written']} are written as" in said
    assert f"and {basis['shape']} are reconstructed" in said


def test_it_says_where_the_offers_come_from(page: str, corpus: dict[str, dict[str, Any]]) -> None:
    sources = Counter(source(entry["source"]) for entry in corpus.values())
    listed = {name: int(count) for count, name in re.findall(r"^\| (\d+) \| `([^`]+)` \|$", page, re.M)}
    rest = re.search(r"^\| (\d+) \| (\d+) other projects", page, re.M)

    assert listed == {name: count for name, count in sources.items() if count >= FEW}
    assert rest is not None
    assert int(rest[1]) == len(corpus) - sum(listed.values())
    assert int(rest[2]) == len(sources) - len(listed)


def source(url: str) -> str:
    """The repository, or the host of another address."""
    parts = urlsplit(url)
    return "/".join(parts.path.split("/")[1:3]) if parts.netloc == "github.com" else parts.netloc
