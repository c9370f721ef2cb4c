"""The limit of open files, in a process of its own: it cannot be raised again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rillcast.runtime.http.descriptors import HEADROOM, connections_within

START = """
import logging, resource, sys
from rillcast.runtime.http.descriptors import affordable_connections
from rillcast.runtime.telemetry.logs import configure_logging
configure_logging("info", "text")
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
print(affordable_connections(int(sys.argv[1])), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def started(wanted: int) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", START, str(wanted)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip(), done.stderr


def test_the_limit_is_raised_and_one_line_says_what_it_leaves() -> None:
    printed, logged = started(25_000)
    assert printed == "384 512 512"
    assert len(logged.splitlines()) == 1
    assert "25000" in logged
    assert "384" in logged


def test_a_limit_that_suffices_is_raised_in_silence() -> None:
    assert started(300) == ("300 512 512", "")


@pytest.mark.parametrize(
    ("open_files", "allowed"), [(1 << 20, 25_000), (25_000 + HEADROOM, 25_000), (20_000, 20_000 - HEADROOM), (400, 300)]
)
def test_the_rest_of_the_process_keeps_descriptors(open_files: int, allowed: int) -> None:
    assert connections_within(open_files, 25_000) == allowed
