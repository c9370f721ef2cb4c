"""What the comparison of joins asks of the operating system and of git."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.code_under_test import Unbuilt, code_of
from tests.bench.machine import thread_s


def test_time_is_counted_for_the_first_thread_and_for_the_others() -> None:
    program = (
        "import threading, time\n"
        "def work(seconds):\n"
        "    until = time.thread_time() + seconds\n"
        "    while time.thread_time() < until: pass\n"
        "threading.Thread(target=work, args=(0.05,)).start()\n"
        "work(0.1)\n"
        "print(flush=True)\n"
        "input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        first, _ = thread_s(process.pid)
        assert first >= 0.1
        process.communicate(b"\n")


def test_an_unknown_revision_is_named() -> None:
    with pytest.raises(Unbuilt, match="no-such-revision"), code_of("no-such-revision"):
        pass
