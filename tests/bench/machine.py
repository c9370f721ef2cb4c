"""The machine under the figures: what it is, who else uses it, and which CPUs a process may use."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

ROOT = Path(__file__).resolve().parents[2]
QUIET_CORES = 0.10
"""Others may use so much of one core in a quiet run."""
_FLAGS = ("aes", "pclmulqdq", "avx2", "avx512f", "vaes", "vpclmulqdq", "sha_ni")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Printed above all figures."""

    at: str
    commit: str
    kernel: str
    cpu: str
    cpus: int
    flags: tuple[str, ...]
    memory_gib: float
    load: tuple[float, float, float]
    versions: dict[str, str]


def facts() -> Facts:
    """Of this machine, now."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"model name\s*:\s*(.+)", info)
    flags = set((re.search(r"flags\s*:\s*(.+)", info) or ["", ""])[1].split())
    return Facts(
        at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=_output("git", "describe", "--always", "--dirty") or "unknown",
        kernel=f"{platform.system()} {platform.release()}",
        cpu=model[1] if model else platform.processor() or "unknown",
        cpus=len(os.sched_getaffinity(0)),
        flags=tuple(flag for flag in _FLAGS if flag in flags),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load=os.getloadavg(),
        versions={"Python": platform.python_version(), "rustc": _output("rustc", "--version").removeprefix("rustc ")}
        | _locked("boring", "libc"),
    )


def _output(*command: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    return ""


def _locked(*crates: str) -> dict[str, str]:
    lock = (ROOT / "native/Cargo.lock").read_text(encoding="utf-8")
    found = {crate: re.search(rf'name = "{crate}"\nversion = "([^"]+)"', lock) for crate in crates}
    return {f"crate {crate}": match[1] for crate, match in found.items() if match}


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """User and system time of those still there."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def thread_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process's first thread, and of its other ones: nanoseconds that the scheduler counts. Threads
    that have ended are not in it."""
    used = {int(task.name): _scheduled_s(task) for task in Path(f"/proc/{pid}/task").iterdir()}
    first = used.pop(pid)
    return first, sum(used.values())


def thread_times(pid: int) -> list[tuple[str, bool, float]]:
    """Of each thread of a process: its name, whether it is the first one, and its CPU seconds, as in `thread_s`."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    return [(t.joinpath("comm").read_text(encoding="utf-8"), int(t.name) == pid, _scheduled_s(t)) for t in tasks]


def _scheduled_s(task: Path) -> float:
    return int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9


class Others:
    """How much CPU was used since `__init__` by whatever is not the benchmark or its children."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy_s(), _own_s()

    def cores(self) -> float:
        used = (_busy_s() - self._busy) - (_own_s() - self._own)
        return max(0.0, used / max(time.monotonic() - self._began, 1e-3))


def _busy_s() -> float:
    t = psutil.cpu_times()
    return float(t.user + t.nice + t.system + t.irq + t.softirq + t.steal)


def _own_s() -> float:
    me = psutil.Process()
    total = 0.0
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            t = process.cpu_times()
            total += t.user + t.system + t.children_user + t.children_system
    return total


def rss_kib(process: psutil.Process) -> int:
    """Resident memory, read once from ``smaps_rollup``."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Rss:")))


def keep_on(processes: Iterable[psutil.Process], cpus: set[int]) -> None:
    """Every thread of the processes; those they start later inherit it."""
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").glob("*"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cpus)


class Halves(msgspec.Struct, frozen=True):
    """One CPU for the server under test, the others for everything else; the same one where there is only one."""

    subject: set[int]
    rest: set[int]


@contextmanager
def halves() -> Iterator[Halves]:
    """Until the end of the block this process, and what it starts, stays off the subject's CPU."""
    every = os.sched_getaffinity(0)
    first, *others = sorted(every)
    split = Halves({first}, set(others) or {first})
    os.sched_setaffinity(0, split.rest)
    try:
        yield split
    finally:
        os.sched_setaffinity(0, every)
