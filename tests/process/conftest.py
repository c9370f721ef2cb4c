"""The tests share one process; what one of them sets for its log is undone before the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A node that runs in a test's process sets the level of the root logger."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
