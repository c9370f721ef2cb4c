"""What the nodes do for a join, call by call: a profile of each event loop while a crowd joins.

    python -m tests.bench.join_calls --only whep                    # this clone
    python -m tests.bench.join_calls --only whep --save before.json
    python -m tests.bench.join_calls --only whep --against before.json
    python -m tests.bench.join_calls --only whep --part leaving

The number of calls hardly depends on what else the machine does, so a saving shows in one run. The times are those
under a profiler, which makes small calls dearer than they are: they say where to look, and `join_cost` what it is
worth. What the nodes do without clients in the same time is taken off. `--part` profiles only until everybody is there,
or only from then on. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import pstats
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from rillcast.load.description import Agreed, LocalPeer, PublishedTrack
from rillcast.load.run import Run
from rillcast.load.session import JoinProtocol, OnOffer
from rillcast.testing.eventually import eventually
from tests.bench.code_under_test import code_of
from tests.bench.join_cost import KINDS, LEFT_S, Crowd, published
from tests.bench.machine import ROOT
from tests.e2e.cluster import Cluster, Code, cluster

ROLES = ("signaling", "edge", "origin")
SHOWN = 40
"""Functions of each role."""
LEAST_IDLE_S = 3.0
"""Without clients, most is done once a second."""


class Part(StrEnum):
    """What of the stay of a crowd is profiled."""

    ALL = "all"
    JOINING = "joining"
    LEAVING = "leaving"


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

    async def profile(self, crowd: Crowd, part: Part) -> tuple[dict[str, pstats.Stats], float]:
        """What each role does in this part of the stay of a crowd, and how many seconds it took."""
        took_s = 0.0

        def begin() -> None:
            nonlocal took_s
            took_s -= time.monotonic()
            self._tell(signal.SIGUSR1)

        def end() -> None:
            nonlocal took_s
            took_s += time.monotonic()
            self._tell(signal.SIGUSR2)

        plan = crowd.plan(self.running)
        between: dict[Part, Callable[[], None]] = {Part.LEAVING: begin, Part.JOINING: end}
        join_by = _Leaving(crowd.protocol(plan), between.get(part, lambda: None))
        if part is not Part.LEAVING:
            begin()
        await Run(plan, publishing=crowd.kind == "whip", join_by=join_by).run(lambda phase, begun, report: None)
        await asyncio.sleep(LEFT_S)
        if part is not Part.JOINING:
            end()
        return await self._profiles(), took_s

    async def profile_idle(self, seconds: float) -> dict[str, pstats.Stats]:
        """What each role does without clients in so many seconds."""
        self._tell(signal.SIGUSR1)
        await asyncio.sleep(seconds)
        self._tell(signal.SIGUSR2)
        return await self._profiles()

    async def _profiles(self) -> dict[str, pstats.Stats]:
        files = {role: self._folder / f"{role}-1" for role in ROLES}
        await eventually(lambda: all(file.exists() for file in files.values()), 30, "the profiles")
        found = {role: pstats.Stats(str(file)) for role, file in files.items()}
        for file in files.values():
            file.unlink()
        return found

    def _tell(self, number: signal.Signals) -> None:
        for pid in self._pids.values():
            psutil.Process(pid).send_signal(number)


class _Leaving:
    """Joins by another protocol, and calls `begins` when the crowd begins to leave."""

    def __init__(self, protocol: JoinProtocol, begins: Callable[[], None]) -> None:
        self._protocol = protocol
        self._begins = begins

    async def view(self, local: LocalPeer, on_offer: OnOffer | None = None) -> Agreed:
        return await self._protocol.view(local, on_offer)

    async def publish(self, local: LocalPeer, stream: str, tracks: Sequence[PublishedTrack]) -> Agreed:
        return await self._protocol.publish(local, stream, tracks)

    def ended(self) -> Mapping[str, int]:
        return self._protocol.ended()

    async def close(self) -> None:
        self._begins()
        await self._protocol.close()


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


async def measure(code: Code, crowd: Crowd, part: Part) -> dict[str, Profile]:
    """By role."""
    async with AsyncExitStack() as stack:
        folder, profiles = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        launcher = (str(ROOT / "tests/bench/changed_up.py"), "--profiles", str(profiles), "--")
        running = await stack.enter_async_context(cluster(folder, code=replace(code, up=launcher), as_shipped=True))
        await stack.enter_async_context(published(running))
        nodes = Nodes(running, profiles)
        await nodes.profile(msgspec.structs.replace(crowd, count=20), part)
        busy, busy_s = await nodes.profile(crowd, part)
        idle_s = max(busy_s, LEAST_IDLE_S)
        idle = await nodes.profile_idle(idle_s)
        return {role: each(busy[role], idle[role], busy_s / idle_s, crowd.count) for role in ROLES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", default=str(ROOT), help="a folder, or a revision of git")
    parser.add_argument("--only", default="whep", choices=list(KINDS))
    parser.add_argument("--joins", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0, help="joins per second, and leaves")
    parser.add_argument("--part", type=Part, choices=list(Part), default=Part.ALL, help="of the stay of the crowd")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path, help="what an earlier run has saved")
    options = parser.parse_args()
    crowd = Crowd(kind=options.only, count=options.joins, rate=options.rate, leave_rate=options.rate)
    with ExitStack() as stack:
        found = asyncio.run(measure(stack.enter_context(code_of(options.code)), crowd, options.part))
    if options.save is not None:
        options.save.write_bytes(msgspec.json.encode(found))
    before: dict[str, Profile] = {}
    if options.against is not None:
        before = msgspec.json.decode(options.against.read_bytes(), type=dict[str, Profile])
    for role, profile in found.items():
        Console(width=140).print(shown(role, profile, before.get(role)))


if __name__ == "__main__":
    main()
