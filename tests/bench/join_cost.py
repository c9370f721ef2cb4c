"""What a join costs, in CPU time of the servers' processes, in two states of the code at once.

    python -m tests.bench.join_cost --base main
    python -m tests.bench.join_cost --base ../baseline --only whep --rounds 20
    python -m tests.bench.join_cost --base ../baseline --bus clear

Runs two whole clusters on one CPU, and has a crowd join both at the same rate in the same seconds. So whatever else the
machine does makes both dearer. The time is the scheduler's, of each thread, so that neither waiting nor the work of
other programs is in it. What a cluster uses without clients is taken off. Prints the medians of all rounds, and the
ratio: the median of the ratios of single rounds, with their quartiles. How fast clients have joined is printed too; it
is worth something on a quiet machine only. Asserts nothing.

`--bus` makes the connections to NATS of both states alike, so that what TLS costs is not taken for what the code costs.
`--base . --bus clear --change-bus tls` shows what TLS costs, and `--base . --base-setting RILLCAST_TRACE_SPANS=0` what
it costs that spans are made.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import msgspec
import trustme
from rich.console import Console
from rich.table import Table

from rillcast.load.run import Plan, Report, Result, Run
from rillcast.load.session import JoinProtocol, Refused, joining
from tests.bench.arithmetic import ratio_quartiles
from tests.bench.code_under_test import Unbuilt, code_of
from tests.bench.machine import ROOT, Others, halves, keep_on, thread_s
from tests.bench.watching import APP, roles_of
from tests.e2e.cluster import Cluster, Code, cluster

STREAM = "crowd"
VIDEO_BPS = 20_000
"""Little, since media is not what is measured."""
KINDS = {"whep": "WHEP", "websocket": "WebSocket, play", "whip": "WHIP"}
IDLE_S = 3.0
LEFT_S = 0.3
"""From the last answer to a leaving client until the servers have nothing to do any more."""
LIVE_TIMEOUT_S = 20.0
LITTLE_MS = 0.02
"""What a part uses less of for each client is not shown: its ratio would be noise."""


class BusKind(StrEnum):
    """How nodes reach NATS."""

    OWN = "own"
    """As each state of the code does by itself."""
    CLEAR = "clear"
    TLS = "tls"


Clock = dict[str, float]
"""CPU seconds by the part of a cluster that used them."""


class Reading(msgspec.Struct, frozen=True):
    """All clocks of one cluster at one time."""

    at: float
    used: Clock


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Who joins in each round."""

    kind: str
    count: int
    rate: float
    """Joins per second."""
    leave_rate: float = 0.0
    """Leaves per second; 0 = as fast as they are answered."""

    def plan(self, running: Cluster) -> Plan:
        """The joins of one round."""
        url = {
            "whep": running.whep(STREAM, APP),
            "websocket": running.websocket(APP),
            "whip": running.whip("", APP),
        }[self.kind]
        stream = STREAM if self.kind == "websocket" else ""
        return Plan(url=url, stream=stream, count=self.count, rate=self.rate, seconds=0, video_bps=VIDEO_BPS)

    def protocol(self, plan: Plan) -> JoinProtocol:
        """How they come and go."""
        return joining(plan.url, plan.stream, plan.token, self.leave_rate)


class Phase(msgspec.Struct, frozen=True):
    """What a part of a round took: seconds, and CPU seconds by part of the cluster."""

    took_s: float
    used: Clock

    def each_ms(self, idle: Clock, count: int) -> Clock:
        """CPU milliseconds for each client. `idle`: what the cluster uses in a second without clients."""
        return {part: (used - idle[part] * self.took_s) * 1_000 / count for part, used in self.used.items()}


class Side:
    """One of the two clusters, with what was measured of it."""

    def __init__(self, running: Cluster) -> None:
        self.running = running
        self._pids = {role: [p.pid for p in processes] for role, processes in roles_of(running).items()}
        self._nats = [p.pid for p in running.processes() if p.name() == "nats-server"]
        self.joining: list[Phase] = []
        self.leaving: list[Phase] = []
        self.seen: list[Result] = []
        """What the clients of each round have seen."""
        self.idle: Clock = {}
        """CPU seconds in a second without clients."""
        self.failures: Counter[str] = Counter()

    def read(self) -> Reading:
        """The clocks of all parts, now."""
        used = {"signaling": sum(sum(thread_s(pid)) for pid in self._pids["signaling"])}
        for role in ("edge", "origin"):
            times = [thread_s(pid) for pid in self._pids[role]]
            used |= {role: sum(loop for loop, _ in times), f"{role}, media threads": sum(media for _, media in times)}
        return Reading(time.monotonic(), used | {"nats-server": sum(sum(thread_s(pid)) for pid in self._nats)})

    async def join(self, crowd: Crowd) -> None:
        """One round: all join and leave."""
        before = joined = self.read()

        def progress(phase: str, begun: int, report: Report) -> None:
            nonlocal joined
            joined = self.read()

        plan = crowd.plan(self.running)
        result = await Run(plan, publishing=crowd.kind == "whip", join_by=crowd.protocol(plan)).run(progress)
        await asyncio.sleep(LEFT_S)
        self.joining.append(between(before, joined))
        self.leaving.append(between(joined, self.read()))
        self.seen.append(result)
        self.failures.update(result.failures)

    async def rest(self) -> None:
        """Measure what is used without clients, and forget what was measured before."""
        before = self.read()
        await asyncio.sleep(IDLE_S)
        idling = between(before, self.read())
        self.idle = {part: used / idling.took_s for part, used in idling.used.items()}
        self.joining.clear()
        self.leaving.clear()
        self.seen.clear()
        self.failures.clear()


def between(before: Reading, after: Reading) -> Phase:
    """What passed between two readings."""
    return Phase(after.at - before.at, {part: used - before.used[part] for part, used in after.used.items()})


def figures(crowd: Crowd, base: Side, change: Side) -> Iterator[tuple[str, list[float], list[float]]]:
    """What is measured, and for each round the CPU milliseconds for each client at both sides. Parts of the cluster
    that hardly do anything are left out."""
    for what in ("joining", "leaving"):
        below, above = (
            [phase.each_ms(side.idle, crowd.count) for phase in getattr(side, what)] for side in (base, change)
        )
        worked = [part for part in below[0] if statistics.median(each[part] for each in below) >= LITTLE_MS]
        for part in worked:
            yield f"{what}: {part}", [each[part] for each in below], [each[part] for each in above]
        all_below, all_above = ([sum(each[part] for part in worked) for each in side] for side in (below, above))
        yield f"{what}: all", all_below, all_above


SEEN: Mapping[str, Callable[[Result], float]] = {
    "joins in a second": lambda result: result.joins_per_s,
    "answer after, ms: median": lambda result: result.signalled_ms.p50,
    "answer after, ms: 95 %": lambda result: result.signalled_ms.p95,
    "connected after, ms: median": lambda result: result.connected_ms.p50,
    "connected after, ms: 95 %": lambda result: result.connected_ms.p95,
}
"""What clients see of a round."""


def seen(base: Side, change: Side) -> Iterator[tuple[str, list[float], list[float]]]:
    """For each round at both sides, as `figures`."""
    for name, figure in SEEN.items():
        yield name, [figure(result) for result in base.seen], [figure(result) for result in change.seen]


def table(title: str, compared: Iterable[tuple[str, list[float], list[float]]]) -> Table:
    """For people."""
    found = Table(title, "base", "change", "ratio", "its quartiles")
    for name, below, above in compared:
        low, middle, high = ratio_quartiles(above, below)
        found.add_row(
            name,
            f"{statistics.median(below):.3f}",
            f"{statistics.median(above):.3f}",
            f"{middle:.3f}",
            f"{low:.3f} … {high:.3f}",
        )
    return found


@asynccontextmanager
async def published(running: Cluster) -> AsyncIterator[None]:
    """A stream whose media flows, until the end of the block. Raises `Refused` when it cannot be watched in time."""
    plan = Plan(url=running.whip("", APP), stream=STREAM, seconds=86_400, video_bps=VIDEO_BPS)
    publisher = asyncio.create_task(Run(plan, publishing=True).run(lambda phase, begun, report: None))
    try:
        await _until_watched(running)
        yield
    finally:
        publisher.cancel()
        await asyncio.gather(publisher, return_exceptions=True)


async def _until_watched(running: Cluster) -> None:
    """Asks nobody but the server's front door, since that is what all states of the code have in common."""
    viewer = Crowd(kind="whep", count=1, rate=1).plan(running)
    deadline = time.monotonic() + LIVE_TIMEOUT_S
    while True:
        try:
            await Run(viewer, publishing=False).run(lambda phase, begun, report: None)
            return
        except Refused:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)


async def compare(
    codes: Sequence[Code], crowds: Sequence[Crowd], rounds: int, console: Console, base: Mapping[str, str]
) -> None:
    """Prints a table for each crowd. `base`: settings of the first of the codes."""
    async with AsyncExitStack() as stack:
        cpus = stack.enter_context(halves())
        sides = []
        for code, settings in zip(codes, (base, {}), strict=True):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running = await stack.enter_async_context(cluster(folder, settings=settings, code=code, as_shipped=True))
            await stack.enter_async_context(published(running))
            keep_on(running.processes(), cpus.subject)
            sides.append(Side(running))
        others = Others()
        for crowd in crowds:
            await asyncio.gather(*(side.join(crowd) for side in sides))
            await asyncio.gather(*(side.rest() for side in sides))
            for turn in range(rounds):
                await asyncio.gather(*(side.join(crowd) for side in (sides[::-1] if turn % 2 else sides)))
            kind = KINDS[crowd.kind]
            console.print(table(f"{kind}, CPU for each client, ms", figures(crowd, *sides)))
            console.print(table(f"{kind}, as clients see it", seen(*sides)))
            if failures := sum((side.failures for side in sides), Counter[str]()):
                console.print(f"Not all joined: {dict(failures)}")
        load = " ".join(f"{minutes:.1f}" for minutes in os.getloadavg())
        console.print(f"Others used {others.cores():.2f} cores meanwhile. Load: {load}.")


def with_bus(code: Code, bus: BusKind, folder: str) -> Code:
    """The code, of which a cluster has such a bus. `folder`: for a certificate of this side."""
    if bus is BusKind.OWN:
        return code
    authority, certificate, trusted = trustme.CA(), Path(folder) / "nats.pem", Path(folder) / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    authority.cert_pem.write_to_path(trusted)
    files = ("--certificate", str(certificate), "--authority", str(trusted))
    return replace(code, up=(str(ROOT / "tests/bench/changed_up.py"), "--bus", bus, *files, "--"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True, metavar="CODE", help="a revision of git, or a folder")
    parser.add_argument("--change", default=str(ROOT), metavar="CODE", help="likewise; this folder by default")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of joins: " + ", ".join(KINDS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--joins", type=int, default=80, help="in each round and on each side")
    parser.add_argument("--rate", type=float, default=100.0, help="joins per second on each side")
    parser.add_argument("--leave-rate", type=float, default=100.0, help="leaves per second; 0 = as fast as possible")
    parser.add_argument(
        "--bus", type=BusKind, choices=list(BusKind), default=BusKind.OWN, help="of both states, or of the base"
    )
    parser.add_argument("--change-bus", type=BusKind, choices=list(BusKind), help="of the change, if it is another one")
    parser.add_argument(
        "--base-setting", action="append", default=[], metavar="NAME=VALUE", help="a setting of the base's nodes"
    )
    options = parser.parse_args()
    kinds = options.only.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    crowds = [Crowd(kind=kind, count=options.joins, rate=options.rate, leave_rate=options.leave_rate) for kind in kinds]
    with ExitStack() as stack:
        sides = ((options.base, options.bus), (options.change, options.change_bus or options.bus))
        try:
            codes = [
                with_bus(stack.enter_context(code_of(what)), bus, stack.enter_context(tempfile.TemporaryDirectory()))
                for what, bus in sides
            ]
        except Unbuilt as error:
            parser.error(str(error))
        settings = dict(one.split("=", 1) for one in options.base_setting)
        asyncio.run(compare(codes, crowds, options.rounds, Console(width=100), settings))


if __name__ == "__main__":
    main()
