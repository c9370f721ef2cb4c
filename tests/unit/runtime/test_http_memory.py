"""How many connections fit into the memory that a process may take."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rillcast.runtime.http.memory import FEWEST, PLAIN_BYTES, TLS_BYTES, connections_in_memory, memory_limit

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
NONE_V1 = "9223372036854771712\n"


def limit(**files: str) -> int:
    """Of a process that sees these files; ``/`` is written ``__``."""
    contents = {name.replace("__", "/"): content for name, content in files.items()}

    def read(path: str) -> str:
        try:
            return contents[path.removeprefix("/sys/fs/cgroup").removeprefix("/")]
        except KeyError:
            raise FileNotFoundError(path) from None

    return memory_limit(read)


def test_without_control_groups_it_is_the_machines() -> None:
    assert limit() == MACHINE
    assert memory_limit() <= MACHINE


@pytest.mark.parametrize(
    ("own", "memory", "expected"),
    [
        ("0::/\n", "1610612736\n", 1_610_612_736),
        ("0::/\n", "max\n", MACHINE),
        ("0::/system.slice/docker-1.scope\n", "4096000\n", 4_096_000),
        ("nonsense\n0\n", "4096000\n", MACHINE),
        ("0::/\n", "\u0660", MACHINE),
    ],
    ids=["container", "no limit", "path of the host", "no groups", "no number"],
)
def test_the_limit_of_a_container(own: str, memory: str, expected: int) -> None:
    assert limit(**{"proc__self__cgroup": own, "memory.max": memory}) == expected


def test_the_least_of_all_groups_above_counts() -> None:
    files = {
        "proc__self__cgroup": "0::/a/b\n",
        "a__b__memory.max": "max\n",
        "a__memory.max": "3000000\n",
        "memory.max": "4000000\n",
    }
    assert limit(**files) == 3_000_000


def test_the_limit_by_the_former_version_of_control_groups() -> None:
    own = "12:cpu,cpuacct:/x\n5:memory:/docker/1\n0::/\n"
    assert limit(**{"proc__self__cgroup": own, "memory__memory.limit_in_bytes": "2000000\n"}) == 2_000_000
    assert limit(**{"proc__self__cgroup": own, "memory__docker__1__memory.limit_in_bytes": NONE_V1}) == MACHINE


@given(st.integers(0, 2**40), st.integers(1, 50_000), st.booleans())
def test_what_is_allowed_fits_or_is_the_least(memory: int, wanted: int, tls: bool) -> None:
    most = connections_in_memory(memory, wanted, kept=400_000_000, tls=tls)
    each = TLS_BYTES if tls else PLAIN_BYTES

    assert 1 <= most <= wanted
    assert most <= FEWEST or 400_000_000 + most * each <= memory
    assert most == wanted or 400_000_000 + (most + 1) * each > memory
