"""Pages that name the tests which show what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


def named_tests(page: str) -> Iterator[tuple[str, str]]:
    """File and function of each test that the page names: a list of files, each with a list of names."""
    file = ""
    for line in page.splitlines():
        if found := re.match(r"- `(\S+\.(?:py|rs))`", line):
            file = found[1]
        elif found := re.match(r"  - `(\w+)`", line):
            assert file, f"{found[1]} stands below no file"
            yield file, found[1]
        else:
            file = ""


def missing_tests(root: Path, page: str) -> list[str]:
    """Those of the named tests that are not there, of the clone in that folder."""
    return [
        f"{file}::{name}"
        for file, name in named_tests(page)
        if not (root / file).is_file() or not _is_there((root / file).read_text("utf-8"), name)
    ]


def shown_by_tests(page: str) -> set[str]:
    """What has a section in which tests are named: a heading is ``### 5b, 16. Title``, and these are 5b and 16."""
    return {
        label
        for section in re.split(r"^### ", page, flags=re.M)[1:]
        if list(named_tests(section.partition("\n## ")[0]))
        for label in re.split(r",\s*", section.partition(". ")[0])
    }


def _is_there(text: str, name: str) -> bool:
    return re.search(rf"^ *(?:async )?(?:def|fn) {re.escape(name)}\(", text, re.M) is not None
