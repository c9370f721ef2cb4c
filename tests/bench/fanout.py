"""Items (a) and (c), two workers and the edge alone in real time: `fanout-bench` in front of a null device."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec

from tests.bench.machine import ROOT, Others
from tests.bench.null_device import DEVICE, NullDevice, Skipped, null_device
from tests.bench.results import Fanout, Paced, Sample, Workers
from tests.bench.scale import Scale

PROGRAM = ROOT / "native/target/release/fanout-bench"
RUN_TIMEOUT_S = 180.0
VARIANTS = ("bound", "edge", "edge_calm", "edge_no_gso", "naive")
PAIR = ("bound", "edge")

T = TypeVar("T")
Say = Callable[[str], None]


async def measure(scale: Scale, say: Say) -> Fanout:
    """Raises Skipped where the machine can't."""
    if not PROGRAM.exists():
        raise Skipped("fanout-bench is not built: make bench does that")
    async with null_device() as device:
        bench = _Bench(device, say)
        packet = await bench.packets(scale.rounds, scale.fanout, 1, VARIANTS)
        by_viewers = [s for n in scale.viewers for s in await bench.packets(scale.rounds, n, 1, PAIR)]
        by_streams = [
            s for n in scale.streams for s in await bench.packets(scale.rounds, scale.stream_viewers, n, PAIR)
        ]
        others = Others()
        workers = await bench.run(Workers, "workers", scale.rounds, scale.fanout)
        workers_others = others.cores()
        paced = [await bench.paced(scale.paced_s, n, v) for n in scale.paced for v in PAIR]
        return Fanout(
            offloads=await bench.offloads(),
            packet=tuple(packet),
            by_viewers=tuple(by_viewers),
            by_streams=tuple(by_streams),
            workers=tuple(workers),
            workers_others_cores=workers_others,
            paced=tuple(paced),
        )


class _Bench:
    def __init__(self, device: NullDevice, say: Say) -> None:
        self._device, self._say = device, say

    async def packets(self, rounds: int, viewers: int, streams: int, variants: tuple[str, ...]) -> list[Sample]:
        return await self.run(Sample, "packet", rounds, viewers, streams, ",".join(variants))

    async def paced(self, seconds: int, viewers: int, variant: str) -> Paced:
        others = Others()
        (found,) = await self.run(Paced, "paced", seconds, viewers, variant)
        return msgspec.structs.replace(found, others_cores=others.cores())

    async def run(self, kind: type[T], *arguments: object) -> list[T]:
        words = [str(a) for a in arguments]
        self._say(f"fan-out: {' '.join(words)}")
        lines = self._device.lines(str(PROGRAM), *words, timeout_s=RUN_TIMEOUT_S)
        async with aclosing(lines):
            return [msgspec.json.decode(line, type=kind) async for line in lines]

    async def offloads(self) -> dict[str, bool]:
        command = (sys.executable, "-m", "tests.bench.offloads", DEVICE)
        async with aclosing(self._device.lines(*command, timeout_s=30)) as lines:
            text = b"".join([line async for line in lines])
        found: dict[str, bool] = json.loads(text)
        return found
