"""The whole benchmark:  python -m tests.bench [--quick]   (make bench, make bench-quick)

Runs the items one after the other, says what it does, writes tables, plots and raw figures into docs/benchmarks. An
item that this machine can't measure is left out with the reason; Ctrl-C takes everything down that was started.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from rich.console import Console

from tests.bench import crowd, fanout, feedback, loopback, plots, rivals
from tests.bench.machine import ROOT, facts
from tests.bench.null_device import Skipped
from tests.bench.page import document
from tests.bench.results import Results
from tests.bench.scale import FULL, QUICK, Scale

ITEMS: dict[str, tuple[Callable[[Scale, fanout.Say], Awaitable[object]], float]] = {
    "fanout": (fanout.measure, 360.0),
    "loopback": (loopback.measure, 330.0),
    "crowd": (crowd.measure, 90.0),
    "rivals": (rivals.measure, 120.0),
    "feedback": (feedback.measure, 240.0),
}
"""Each with how long it may take at most, in seconds."""


async def measure(scale: Scale, items: list[str], console: Console) -> Results:
    """An item that fails is noted, and the others are measured all the same."""
    results, began = Results(facts=facts(), scale=scale), time.monotonic()

    def say(sentence: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/]  {sentence}", highlight=False)

    for item in items:
        run, limit_s = ITEMS[item]
        try:
            async with asyncio.timeout(limit_s):
                setattr(results, item, await run(scale, say))
        except Exception as error:  # noqa: BLE001 - a supervisor: whatever went wrong is written down
            results.notes[item] = _reason(error, limit_s)
            say(f"{item}: {results.notes[item]}")
    results.took_s, results.load_after = time.monotonic() - began, os.getloadavg()
    return results


def _reason(error: Exception, limit_s: float) -> str:
    if isinstance(error, Skipped):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"not done after {limit_s:.0f} s"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def write(results: Results, folder: Path, name: str) -> Path:
    """Page, plots and raw figures."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = msgspec.json.format(msgspec.json.encode(results), indent=1)
    (folder / f"{name}.json").write_bytes(raw + b"\n")
    page = folder / f"{name}.md"
    page.write_text(document(results, name, plots.draw(results, folder, name)), encoding="utf-8")
    return page


async def _until_signalled(scale: Scale, items: list[str], console: Console) -> Results:
    """SIGTERM ends it as Ctrl-C does: what was started is taken down."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await measure(scale, items, console)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three minutes instead of fifteen")
    parser.add_argument("--only", default=",".join(ITEMS), help="items, separated by commas: " + ", ".join(ITEMS))
    parser.add_argument("--at-most", type=int, metavar="VIEWERS", help="to try the benchmark itself")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks")
    parser.add_argument(
        "--render", type=Path, metavar="JSON", help="measure nothing; write the page of raw figures anew"
    )
    options = parser.parse_args()
    console = Console(stderr=True)
    if options.render:
        found = msgspec.json.decode(options.render.read_bytes(), type=Results)
        print(write(found, options.render.parent, options.render.stem))
        return
    items = options.only.split(",")
    if unknown := set(items) - set(ITEMS):
        parser.error(f"no such item: {', '.join(sorted(unknown))}")
    scale = QUICK if options.quick else FULL
    if options.at_most:
        scale = scale.at_most(options.at_most)
    try:
        results = asyncio.run(_until_signalled(scale, items, console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped, nothing written")
        sys.exit(130)
    print(write(results, options.out, "quick" if options.quick else "results"))


if __name__ == "__main__":
    main()
