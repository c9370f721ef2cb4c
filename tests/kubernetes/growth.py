"""A crowd comes and goes, and the autoscaler of the chart makes and takes edges."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress

import httpx

from rillcast.contracts.words import NodeKind
from rillcast.testing.eventually import eventually
from tests.chaos.viewers import Crowd, crowd
from tests.kubernetes.api import Refused
from tests.kubernetes.live import STREAM, Live, Say, gaps_ms, losses, watch_ends
from tests.kubernetes.results import Growth, Move, Sample

GROUP, GROUPS = 8, 9
"""So many come at once, so many times: 72 viewers, for which the values of this release wish four edges."""
STAY = (2, 6)
"""The groups that stay to the end; one of them came when there was one edge only, the other one later."""
PAUSE_S = 5.0
MOST_EDGES = 4
GROW_S, SHRINK_S = 300.0, 900.0
STEADY_S = 15.0
"""All are there, and so are the edges; and again at the end."""


async def grow_and_shrink(on: Live, say: Say) -> Growth:
    """Raises AssertionError when the edges do not follow."""
    samples: list[Sample] = []
    crowds: dict[int, Crowd] = {}
    lost: list[str] = []
    before = len(on.pods.ended)
    began = time.monotonic()
    gaps: list[int] = []
    moved = 0
    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(_sample(on, crowds, samples, began)), asyncio.create_task(watch_ends(on))]
        stack.push_async_callback(_cancelled, tasks)
        kept = await stack.enter_async_context(AsyncExitStack())
        leaving: dict[int, AsyncExitStack] = {}
        for number in range(GROUPS):
            own = kept if number in STAY else leaving.setdefault(number, AsyncExitStack())
            entered = crowd(f"group {number + 1}", on.socket, STREAM, GROUP)
            crowds[number] = await own.enter_async_context(entered)
            await asyncio.sleep(PAUSE_S)
        say(f"{GROUP * GROUPS} viewers are there")
        await eventually(lambda: _edges(on, MOST_EDGES), GROW_S, f"{MOST_EDGES} edges", every_s=0.5)
        grown_s = time.monotonic() - began
        say(f"{MOST_EDGES} edges after {grown_s:.0f} s")
        await asyncio.sleep(STEADY_S)
        lost += losses(list(crowds.values()))
        for number, own in leaving.items():
            one = crowds.pop(number)
            gaps += gaps_ms([one])
            moved += one.run.moves
            await own.aclose()
        left = time.monotonic()
        say(f"{GROUP * len(STAY)} viewers stay")
        await eventually(lambda: _edges(on, 1), SHRINK_S, "one edge", every_s=0.5)
        shrunk_s = time.monotonic() - left
        say(f"one edge after {shrunk_s:.0f} s")
        await asyncio.sleep(STEADY_S)
        staying = list(crowds.values())
        lost += losses(staying)
        gaps += gaps_ms(staying)
        moved += sum(one.run.moves for one in staying)
    ended = on.moves(before)
    return Growth(
        viewers=GROUP * GROUPS,
        stayed=GROUP * len(STAY),
        most_edges=max(one.ready for one in samples),
        grown_s=round(grown_s, 1),
        shrunk_s=round(shrunk_s, 1),
        lost=tuple(lost),
        moved=moved,
        gaps_ms=tuple(gaps),
        ended=ended,
        emptiest_first=emptiest_first(samples, ended),
        samples=tuple(samples),
    )


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _edges(on: Live, wanted: int) -> bool:
    """Whether there are so many edges, all of them ready, and none is ending."""
    edges = await on.edges()
    ready, wished = edges["status"].get("readyReplicas", 0), edges["spec"]["replicas"]
    assert ready == wished == wanted == len(on.pods.runs(NodeKind.EDGE)), (ready, wished)
    return True


async def _sample(on: Live, crowds: dict[int, Crowd], samples: list[Sample], began: float) -> None:
    """Once a second, until it is cancelled."""
    while True:
        with suppress(Refused, httpx.HTTPError):
            edges, runs = await on.edges(), on.pods.runs(NodeKind.EDGE)
            found = {run.name: await on.viewers_of(run) for run in runs}
            samples.append(
                Sample(
                    at=round(time.monotonic() - began, 1),
                    viewers=sum(len(one.run.watching()) for one in crowds.values()),
                    wished=edges["spec"]["replicas"],
                    ready=edges["status"].get("readyReplicas", 0),
                    draining=sum(run.asked_to_end is not None for run in runs),
                    by_edge={name: seen for name, seen in found.items() if seen >= 0},
                )
            )
        await asyncio.sleep(1)


def emptiest_first(samples: list[Sample], ended: tuple[Move, ...]) -> bool:
    """Whether no other edge had fewer viewers, in the last look before a pod was told to end."""
    for one in ended:
        there = [s.by_edge for s in samples if one.pod in s.by_edge and s.by_edge[one.pod] == one.viewers]
        if not there or min(there[-1].values()) < one.viewers:
            return False
    return True
