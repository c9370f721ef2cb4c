"""What a viewer sees behind a link that always takes the same, from the join on.

    python -m tests.bench.steady --mbit 0.3 --seconds 50 --rounds 3
    python -m tests.bench.steady --source ladder --mbit 0.6 1 1.6 --seconds 300

The stream and the viewer, a Chromium behind a link, are those of `abr`. Prints when the first picture came, which
pictures there were, how often they changed, and freezes. Asserts nothing. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
from playwright.async_api import Page
from rich.console import Console

from tests.bench.abr import HEIGHTS, Log, behind_a_link, log_of, shape, watching_page
from tests.bench.code_under_test import code_of
from tests.bench.tables import table
from tests.e2e.cluster import Code, until

HEAD = (
    "link",
    "first picture, s",
    "picture, share of time",
    "changes",
    "freezes",
    "frozen, s",
    "longest, s",
    "sound invented",
)
FIRST_PICTURE_S = 60.0


class Seen(msgspec.Struct, frozen=True):
    """One viewer."""

    mbit: float
    log: Log

    def first_picture_s(self) -> float:
        """From the making of the peer connection, before anything was asked of the server, the page apart."""
        first = next(sample.at_ms for sample in self.log.samples if sample.frames)
        return (first - self.log.asked_ms) / 1_000

    def heights(self) -> list[int]:
        return [sample.height for sample in self.log.samples if sample.height]

    def changes(self) -> int:
        return sum(before != after for before, after in itertools.pairwise(self.heights()))

    def row(self) -> tuple[str, ...]:
        samples, heights = self.log.samples, self.heights()
        shares = [f"{height}p {count / len(heights):.0%}" for height, count in Counter(heights).most_common()]
        last = samples[-1]
        return (
            *(f"{self.mbit:g}", f"{self.first_picture_s():.1f}", ", ".join(shares), str(self.changes())),
            *(str(last.freezes), f"{last.frozen_s:.1f}", f"{self.log.longest_freeze_s():.2f}"),
            f"{last.concealed / max(1, last.samples):.1%}",
        )


async def pictured(page: Page) -> None:
    """Waits for the first picture."""
    await until(lambda: log_of(page), lambda log: log.samples and log.samples[-1].frames, "a picture", FIRST_PICTURE_S)


async def run(source: str, links: Sequence[float], rounds: int, seconds: float, code: Code | None = None) -> list[Seen]:
    """`seconds` from the first picture on, for each round and link."""
    done = []
    async with behind_a_link(source, code) as (viewer, url, link):
        for mbit in links:
            for _ in range(rounds):
                async with watching_page(viewer) as page:
                    link.shape(shape(mbit))
                    await page.goto(url, wait_until="commit")
                    await pictured(page)
                    await asyncio.sleep(seconds)
                    done.append(Seen(mbit, await log_of(page)))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.steady", description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=tuple(HEIGHTS), default="simulcast")
    parser.add_argument("--mbit", type=float, nargs="+", default=[0.3], help="what each link takes")
    parser.add_argument("--rounds", type=int, default=1, help="viewers of each link, one after the other")
    parser.add_argument("--seconds", type=float, default=50)
    parser.add_argument("--code", help="the folder or the revision that is measured; default: this one")
    parser.add_argument("--json", type=Path, help="keeps what was seen there")
    options = parser.parse_args()
    with ExitStack() as stack:
        code = stack.enter_context(code_of(options.code)) if options.code else None
        seen = asyncio.run(run(options.source, options.mbit, options.rounds, options.seconds, code))
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    Console().print(f"{options.source}, {options.seconds:g} s, {os.cpu_count()} CPUs, load {load}\n")
    print(table(HEAD, [one.row() for one in seen]))
    if options.json:
        options.json.write_bytes(msgspec.json.encode(seen))


if __name__ == "__main__":
    main()
