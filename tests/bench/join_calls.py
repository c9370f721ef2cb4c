"""What the nodes do for a join, call by call: a profile of each event loop while a crowd joins.

    python -m tests.bench.join_calls --only whep                    # this clone
    python -m tests.bench.join_calls --only whep --save before.json
    python -m tests.bench.join_calls --only whep --against before.json

The number of calls hardly depends on what else the machine does, so a saving shows in one run. The times are those
under a profiler, which makes small calls dearer than they are: they say where to look, and `join_cost` what it is
worth. What the nodes do without clients in the same time is taken off. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import pstats
import signal
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from rillcast.load.run import Run
from rillcast.testing.eventually import eventually
from tests.bench.code_under_test import code_of
from tests.bench.join_cost import KINDS, LEFT_S, Crowd, published
from tests.bench.machine import ROOT
from tests.e2e.cluster import Cluster, Code, cluster

ROLES = ("signaling", "edge", "origin")
SHOWN = 40
"""Functions of each role."""


class Calls(msgspec.Struct):
    """Of one function, for each join."""

    count: float = 0.0
    own_us: float = 0.0
    """Under the profiler, without what it calls."""
    all_us: float = 0.0


Profile = dict[str, Calls]
"""By function."""


class Nodes:
    """The nodes of a cluster whose code is profiled."""

    def __init__(self, running: Cluster, folder: Path) -> None:
        self.running = running
        self._folder = folder
        self._pids = {
            role: process.pid
            for process in running.processes()
            for role in ROLES
            if f"services.{role}" in _command(process)
        }

    async def profile(self, crowd: Crowd | None, seconds: float = 0.0) -> tuple[dict[str, pstats.Stats], float]:
        """What each role does while the crowd joins and leaves, or without one in so many seconds."""
        self._tell(signal.SIGUSR1)
        began = time.monotonic()
        if crowd is not None:
            await Run(crowd.plan(self.running), publishing=crowd.kind == "whip").run(lambda phase, begun, report: None)
        await asyncio.sleep(LEFT_S if crowd is not None else seconds)
        took_s = time.monotonic() - began
        self._tell(signal.SIGUSR2)
        files = {role: self._folder / f"{role}-1" for role in ROLES}
        await eventually(lambda: all(file.exists() for file in files.values()), 30, "the profiles")
        found = {role: pstats.Stats(str(file)) for role, file in files.items()}
        for file in files.values():
            file.unlink()
        return found, took_s

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._pids.values():
            psutil.Process(pid).send_signal(number)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def each(busy: pstats.Stats, idle: pstats.Stats, share: float, joins: int) -> Profile:
    """For each join, with `share` of what was done without clients taken off."""
    found: Profile = defaultdict(Calls)
    for stats, factor in ((busy, 1.0), (idle, -share)):
        for place, (_, count, own_s, all_s, _) in stats.stats.items():  # type: ignore[attr-defined]
            calls = found[_name(place)]
            calls.count += factor * count / joins
            calls.own_us += factor * own_s * 1e6 / joins
            calls.all_us += factor * all_s * 1e6 / joins
    return dict(found)


def _name(place: tuple[str, int, str]) -> str:
    """Without the number of the line, which changes with every edit."""
    file, _, function = place
    path = file
    for mark in ("site-packages/", "python3.11/", f"{ROOT}/"):
        path = path.rpartition(mark)[2]
    parts = path.split("/")
    for root in ("rillcast", "services"):
        if root in parts:
            path = "/".join(parts[parts.index(root) :])
    return function if file == "~" else f"{path}:{function}"


def shown(role: str, profile: Profile, before: Profile | None) -> Table:
    """The functions that take longest by themselves, or those of which there are more or fewer calls than before."""
    total = sum(one.count for one in profile.values())
    title = f"{role}: {total:.0f} calls for each join"
    if before is None:
        table = Table("function", "calls", "own µs", "with callees", title=title)
        for name, one in sorted(profile.items(), key=lambda item: -item[1].own_us)[:SHOWN]:
            table.add_row(name[-80:], f"{one.count:.2f}", f"{one.own_us:.1f}", f"{one.all_us:.1f}")
        return table
    table = Table("function", "before", "now", "own µs now", title=f"{title}, {_total(before):.0f} before")
    changed = {name: profile.get(name, Calls()).count - before.get(name, Calls()).count for name in profile | before}
    for name, difference in sorted(changed.items(), key=lambda item: -abs(item[1]))[:SHOWN]:
        if abs(difference) >= 0.05:
            now = profile.get(name, Calls())
            table.add_row(name[-80:], f"{before.get(name, Calls()).count:.2f}", f"{now.count:.2f}", f"{now.own_us:.1f}")
    return table


def _total(profile: Profile) -> float:
    return sum(one.count for one in profile.values())


async def measure(code: Code, crowd: Crowd) -> dict[str, Profile]:
    """By role."""
    async with AsyncExitStack() as stack:
        folder, profiles = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        launcher = (str(ROOT / "tests/bench/changed_up.py"), "--profiles", str(profiles), "--")
        running = await stack.enter_async_context(cluster(folder, code=replace(code, up=launcher), as_shipped=True))
        await stack.enter_async_context(published(running))
        nodes = Nodes(running, profiles)
        await nodes.profile(msgspec.structs.replace(crowd, count=20))
        busy, busy_s = await nodes.profile(crowd)
        idle, idle_s = await nodes.profile(None, busy_s)
        return {role: each(busy[role], idle[role], busy_s / idle_s, crowd.count) for role in ROLES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", default=str(ROOT), help="a folder, or a revision of git")
    parser.add_argument("--only", default="whep", choices=list(KINDS))
    parser.add_argument("--joins", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="joins per second")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path, help="what an earlier run has saved")
    options = parser.parse_args()
    crowd = Crowd(kind=options.only, count=options.joins, rate=options.rate)
    with ExitStack() as stack:
        found = asyncio.run(measure(stack.enter_context(code_of(options.code)), crowd))
    if options.save is not None:
        options.save.write_bytes(msgspec.json.encode(found))
    before: dict[str, Profile] = {}
    if options.against is not None:
        before = msgspec.json.decode(options.against.read_bytes(), type=dict[str, Profile])
    for role, profile in found.items():
        Console(width=140).print(shown(role, profile, before.get(role)))


if __name__ == "__main__":
    main()
