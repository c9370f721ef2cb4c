"""Faults in a real cluster under viewers:  python -m tests.chaos [--seed N] [--minutes N] [--faults a,b]   (make chaos)

Starts a cluster on machines of its own (network namespaces), makes each fault at least once while time lasts, and then
again and again those that are short, in an order that the seed says. It writes docs/benchmarks/failover.md and
failover.json, ends by itself, and takes everything down that it made, also after Ctrl-C. The exit code is 1 when a
viewer was lost or a session was left over, and 2 when this machine can't do it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import msgspec
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from rillcast.testing.servers import find_consul
from tests.bench.machine import ROOT, facts
from tests.chaos.cluster import ChaosCluster, Size, chaos_cluster
from tests.chaos.cost import measure_cost
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.measure import repetition, revive, settled
from tests.chaos.network import missing
from tests.chaos.page import document
from tests.chaos.results import CONTROL, Began, Cost, Repetition, Results, Row, no_gap_ms, verdict
from tests.chaos.scene import Skipped
from tests.chaos.viewers import Stage, Watchers, stage
from tests.e2e.browser import Strangers, bundle_clients, chromium, website
from tests.e2e.publishers import make_source

Say = Callable[[str], None]
FAILURES = (AssertionError, RuntimeError, OSError, TimeoutError, httpx.HTTPError, PlaywrightError)
"""What ends a repetition and not the run: something did not come up, or a page does not do what it should."""
NAME = "failover.json"
LAST_S = 60.0
"""A repetition is not begun when less time is left: the slowest ones need it."""
HOLD_SHARE, LONGEST_HOLD_S = 1 / 60, 60.0
"""A service is away for so large a share of the run, and at most for so long."""


class Chaos:
    """One run."""

    def __init__(self, seed: int, minutes: float, hold_s: float, faults: Sequence[Fault], say: Say) -> None:
        self._seed, self._hold_s, self._say = seed, hold_s, say
        self._deadline = time.monotonic() + minutes * 60
        self._faults = faults
        self.found: dict[str, list[Repetition]] = {fault.name: [] for fault in faults}
        self.skipped: dict[str, str] = {}
        self.watchers = Watchers()

    def _order(self) -> Iterator[Fault]:
        """Everything once, then what is short again and again."""
        rng = random.Random(self._seed)
        control, *first = sorted(self._faults, key=lambda fault: fault.name != CONTROL)
        rng.shuffle(first)
        yield from (control, *sorted(first, key=lambda fault: not fault.early))
        while again := [fault for fault in self._faults if fault.short and fault.name not in self.skipped]:
            rng.shuffle(again)
            yield from again

    async def run(self, cluster: ChaosCluster, folder: Path) -> None:
        """Until the time is over."""
        async with AsyncExitStack() as stack:
            strangers = await browsers(stack, folder)
            source = await make_source(folder)
            on = await stack.enter_async_context(stage(cluster, strangers, source))
            for number, fault in enumerate(self._order()):
                if time.monotonic() + LAST_S > self._deadline and number:
                    return
                rng = random.Random(f"{self._seed} {number}")
                try:
                    await self._one(on, fault, rng)
                except FAILURES as error:
                    self._say(f"{fault.name}: nobody could begin anew afterwards, so the run is over: {error}"[:500])
                    return

    async def _one(self, on: Stage, fault: Fault, rng: random.Random) -> None:
        try:
            await settled(on)
            one = await repetition(on, fault, rng, self._hold_s, self.watchers)
        except Skipped as why:
            self.skipped[fault.name] = str(why)
            self._say(f"{fault.name}: skipped: {why}")
            return
        except FAILURES as error:
            one = _failed(fault, f"{type(error).__name__}: {error}")
        self.found[fault.name].append(one)
        self._tell(fault, one)
        await revive(on)

    def _tell(self, fault: Fault, one: Repetition) -> None:
        row = Row(name=fault.name, what=fault.what, goal=fault.goal, replaced=fault.replaced, repetitions=(one,))
        gaps = ", ".join(f"{gap:.0f}" for gap in one.gaps_ms) or "nobody there"
        self._say(
            f"{fault.name} ({one.hit or 'all'}): {verdict(row, no_gap_ms(self.rows()))}; Chromium {gaps} ms (steady"
            f" {one.steady_ms:.0f}), bench at most {max(one.standstills_ms, default=0):.0f} ms, lost {len(one.lost)},"
            f" as before after {one.recovery_s} s {one.left_over}; newcomers"
            f" {one.joined}/{one.refused}/{sum(one.unclear.values())} {one.error}"
        )
        for line in one.lost[:5]:
            self._say(f"    {line}")

    def rows(self) -> tuple[Row, ...]:
        """In the order of the list."""
        return tuple(
            Row(
                name=fault.name,
                what=fault.what,
                goal=fault.goal,
                replaced=fault.replaced,
                skipped=self.skipped.get(fault.name, ""),
                repetitions=tuple(self.found[fault.name]),
            )
            for fault in self._faults
        )


def _failed(fault: Fault, error: str) -> Repetition:
    return Repetition(
        fault=fault.name,
        hit="",
        held_s=0,
        gaps_ms=(),
        standstills_ms=(),
        steady_ms=0,
        lost=(),
        whep=0,
        whep_lost=0,
        publishers=(),
        recovery_s=None,
        left_over="",
        joined=0,
        refused=0,
        unclear={},
        load=round(os.getloadavg()[0], 1),
        tracebacks=(),
        error=error[:500],
    )


async def browsers(stack: AsyncExitStack, folder: Path) -> Strangers:
    """Two browsers, one of them with a camera, and the page that they open, until the stack is left."""
    pages = folder / "site"
    pages.mkdir()
    await bundle_clients(pages)
    site = stack.enter_context(website(pages))
    driver = await stack.enter_async_context(async_playwright())
    camera = await stack.enter_async_context(chromium(driver, camera=True))
    return Strangers(camera, await stack.enter_async_context(chromium(driver, camera=False)), site)


def consul_servers(say: Say) -> int:
    """Three, or none where there is no Consul."""
    try:
        find_consul()
    except FileNotFoundError as error:
        say(f"no Consul here, so nodes find each other over NATS: {error}")
        return 0
    return 3


async def chaos(options: argparse.Namespace, faults: Sequence[Fault], say: Say) -> Results:
    """The run and its figures; SIGTERM ends it as Ctrl-C does, and what was measured until then is kept."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    began, machine = time.monotonic(), facts()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="rillcast-chaos-"))
    size = Size(consul=consul_servers(say))
    run = Chaos(options.seed, options.minutes, options.hold, faults, say)
    cost: Cost | None = None
    try:
        async with chaos_cluster(folder, size) as cluster:
            say(f"seed {options.seed}; the cluster is up, its logs are in {folder}")
            if options.cost:
                cost = await measure_cost(cluster, say)
            await run.run(cluster, folder)
    except asyncio.CancelledError:
        if not any(run.found.values()):
            raise
        say("stopped before its time; what was measured until now is written")
    counts = {name: getattr(size, name) for name in msgspec_fields(size)}
    return Results(
        facts=machine,
        runs=(
            Began(
                at=machine.at,
                commit=machine.commit,
                command=options.command,
                seed=options.seed,
                took_s=round(time.monotonic() - began, 1),
                load_before=machine.load,
                load_after=os.getloadavg(),
                cpu=machine.cpu,
            ),
        ),
        machines=", ".join(f"{count} {name}" for name, count in counts.items()) + ", each on a machine of its own",
        viewers=f"3 by Ant Media's SDK in Chromium; by `rillcast bench` {run.watchers.words}",
        rows=run.rows(),
        cost=cost,
    )


def msgspec_fields(size: Size) -> list[str]:
    """The kinds that a size counts."""
    return list(size.__dataclass_fields__)


def write(results: Results, folder: Path, *, add: bool = False) -> Path:
    """Page and raw figures. `add`: to those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    if add and (folder / NAME).exists():
        results = results.after(msgspec.json.decode((folder / NAME).read_bytes(), type=Results))
    order = {fault.name: number for number, fault in enumerate(FAULTS)}
    missing_rows = {fault.name: Row(name=fault.name, what=fault.what, goal=fault.goal) for fault in FAULTS}
    every = missing_rows | {row.name: row for row in results.rows if row.name in order}
    rows = sorted(every.values(), key=lambda row: order[row.name])
    results = msgspec.structs.replace(results, rows=tuple(rows))
    raw = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (folder / NAME).write_bytes(raw + b"\n")
    page = folder / "failover.md"
    page.write_text(document(results), encoding="utf-8")
    return page


def _with_goals(results: Results) -> Results:
    """The goals and words of today's list."""
    today = {fault.name: fault for fault in FAULTS}
    rows = [msgspec.structs.replace(r, what=today[r.name].what, goal=today[r.name].goal) for r in results.rows]
    return msgspec.structs.replace(results, rows=tuple(rows))


def harm(results: Results) -> list[str]:
    """Faults in which a viewer was lost or something was left over."""
    found = []
    for row in results.rows:
        if any(one.lost or one.recovery_s is None or one.error for one in row.repetitions):
            found.append(row.name)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="which order and which victims")
    parser.add_argument("--minutes", type=float, default=20.0, help="at most; 20 are the default")
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="how long a service is away")
    parser.add_argument("--faults", default="", help="names, separated by commas: " + ", ".join(f.name for f in FAULTS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks")
    parser.add_argument("--keep", type=Path, help="an empty folder for the logs")
    parser.add_argument("--no-cost", dest="cost", action="store_false", help="leave out what it costs without faults")
    parser.add_argument("--add", action="store_true", help="keep the repetitions that failover.json has already")
    parser.add_argument("--render", type=Path, metavar="JSON", help="measure nothing; write the page anew")
    options = parser.parse_args()
    wanted = [name for name in options.faults.split(",") if name]
    if unknown := set(wanted) - {fault.name for fault in FAULTS}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    if not 1 <= options.minutes <= 240:
        parser.error("--minutes: 1 to 240")
    if options.hold is None:
        options.hold = min(LONGEST_HOLD_S, options.minutes * 60 * HOLD_SHARE)
    if not 1 <= options.hold <= LONGEST_HOLD_S:
        parser.error(f"--hold: 1 to {LONGEST_HOLD_S:.0f}")
    options.faults = [fault for fault in FAULTS if not wanted or fault.name in wanted]
    options.command = _told(sys.argv[1:])
    return options


def _told(arguments: list[str]) -> str:
    """The command without the folders of this machine."""
    told = (a for before, a in zip(["", *arguments], arguments, strict=False) if not {before, a} & {"--keep", "--out"})
    return shlex.join(["python", "-m", "tests.chaos", *told])


def main() -> int:
    """Returns the exit code."""
    options = _options()
    if options.render:
        print(write(_with_goals(msgspec.json.decode(options.render.read_bytes(), type=Results)), options.render.parent))
        return 0
    if why := missing():
        print(f"chaos: not on this machine: {why}", file=sys.stderr)
        return 2

    def say(sentence: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)

    try:
        results = asyncio.run(chaos(options, options.faults, say))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("stopped, nothing written")
        return 130
    print(write(results, options.out, add=options.add))
    if harmed := harm(results):
        say(f"somebody was lost, or something was left over: {', '.join(harmed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
