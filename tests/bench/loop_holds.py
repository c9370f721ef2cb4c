"""How long one thing that happens holds an edge's event loop, with many viewers. On fakes: no sockets, no media plane;
except for the last line, where a real plane without traffic tells the figures of as many sources at once.

    python -m tests.bench.loop_holds --viewers 2000 5000

Prints, for each thing and each number of viewers, the longest time of all rounds in which nothing else could run. It is
CPU time of the loop's thread, so that a busy machine does not show. Garbage is collected in portions, as in a node;
``--whole`` leaves it to CPython, which shows why. The line "full garbage collections" is the longest one while all
viewers join. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import msgspec
from rich.console import Console
from rich.table import Table

from rillcast.contracts.ids import new_session_id
from rillcast.contracts.words import MediaKind
from rillcast.media import protocol
from rillcast.media.plane import TURN, NativePlane
from rillcast.media.protocol import PlaneSession
from rillcast.runtime.process.garbage_collection import collect_in_portions
from rillcast.testing.eventually import within
from tests.unit.edge.edge_harness import AUDIO, VIDEO, World, rung

HIGH = msgspec.structs.replace(VIDEO, bitrate_bps=2_000_000)
LOW = rung(360, 600_000)
ROUNDS = 6
IDLE_TURNS = 400
"""So many turns of the loop without anything to do end a measurement."""

Thing = Callable[[World], Awaitable[None]]


async def crowd(viewers: int, *, drain_timeout_s: float = 30.0) -> World:
    """An edge with a ladder and so many WHEP viewers, all of them with media on the ladder's rung."""
    world = await World(first_budget_bps=1_000_000, max_connecting=viewers + 1, drain_timeout_s=drain_timeout_s).start()
    await world.parent("origin-1", HIGH, AUDIO)
    await world.parent("transcoder-1", LOW)
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    for _ in range(viewers):
        await world.whep(session=new_session_id())
        world.connect(world.added()[-1].session)
        world.edge_bus.requested.clear()
    await world.settle()
    return world


async def longest_hold_ms(begin: Callable[[], Awaitable[None]]) -> float:
    """The longest time between two turns of the loop from `begin` until nothing happens any more."""
    longest = 0.0
    task = asyncio.ensure_future(begin())
    before = time.thread_time()
    idle = 0
    while idle < IDLE_TURNS:
        await asyncio.sleep(0)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
        idle = idle + 1 if task.done() else 0
    await task
    return longest * 1_000


async def new_bit_rates(world: World) -> None:
    """The record is written with other bit rates, as every two seconds."""
    await world.live(tracks=(msgspec.structs.replace(HIGH, bitrate_bps=HIGH.bitrate_bps + int(world.clock())), AUDIO))


DECODE = msgspec.json.Decoder(protocol.Event).decode
FIGURES: list[bytes] = []


async def a_second_of_figures(world: World) -> None:
    """The plane's figures of all sessions at once, as many in each turn as the door to the real plane hands over."""
    for first in range(0, len(FIGURES), TURN):
        for figures in FIGURES[first : first + TURN]:
            world.plane.emit(DECODE(figures))
        await asyncio.sleep(0)


async def ticks_while_one_connects(world: World) -> None:
    """A viewer whose handshake goes on, and one second of ticks."""
    await world.whep(session=new_session_id())
    for _ in range(20):
        world.tick()
        await asyncio.sleep(0)


async def a_transcoder_falls_silent(world: World) -> None:
    """All viewers have to leave the rung."""
    world.plane.emit(protocol.RelayParentLost(source=world.source_of(LOW.track)))
    await asyncio.sleep(0.2)


async def the_stream_ends(world: World) -> None:
    """All viewers are sent away."""
    await world.ended(epoch=1)


LASTING: dict[str, Thing] = {
    "new bit rates in the record": new_bit_rates,
    "a second of figures": a_second_of_figures,
    "ticks while one connects": ticks_while_one_connects,
}
ONCE: dict[str, Thing] = {
    "a transcoder falls silent": a_transcoder_falls_silent,
    "the stream ends": the_stream_ends,
}


def _figures(session: protocol.PlaneSession) -> protocol.SessionStats:
    return protocol.SessionStats(
        session=PlaneSession(session),
        packets_sent=1,
        bytes_sent=1,
        packets_received=0,
        bytes_received=0,
        estimate_bps=900_000,
        fraction_lost=0.0,
        rtt_ms=20.0,
        jitter_ms=1.0,
        nacks=0,
        repaired=0,
        dropped=0,
        video_bps=600_000,
        audio_bps=40_000,
    )


async def _round(world: World, thing: Thing) -> float:
    world.clock.advance(1.0)
    FIGURES[:] = [msgspec.json.encode(_figures(viewer.plane_session)) for viewer in world.edge.viewers]
    await world.live(tracks=(HIGH, AUDIO))
    await world.ladder(LOW)
    return await longest_hold_ms(lambda: thing(world))


async def the_node_drains(viewers: int) -> float:
    """Milliseconds. All viewers are sent away within 2 s, which is what `rillcast up` gives a node."""
    world = await crowd(viewers, drain_timeout_s=2.0)
    try:
        return await longest_hold_ms(world.drain)
    finally:
        await world.stop()


async def figures_of_a_real_plane(sources: int) -> float:
    """Milliseconds. All sources tell their figures in the same moment, once a second; three times here."""
    told = 0

    def heard(event: protocol.Event) -> None:
        nonlocal told
        told += isinstance(event, protocol.SourceStats)

    async def thrice() -> None:
        until = told + 3 * sources
        async with within(30, "three rounds of figures of the plane"):
            while told < until:
                await asyncio.sleep(0.001)

    plane = NativePlane(protocol.PlaneConfig(media_bind=("127.0.0.1",), relay_bind="127.0.0.1"), heard)
    try:
        for source in map(protocol.SourceId, range(1, sources + 1)):
            plane.execute(
                protocol.AddPushSource(source=source, worker=0, kind=MediaKind.AUDIO, codec="opus", clock_rate=48_000)
            )
        await thrice()
        return await longest_hold_ms(thrice)
    finally:
        plane.close()


class FullCollections:
    """Measures the full garbage collections between its creation and `stop`."""

    def __init__(self) -> None:
        self._began = self._longest_s = 0.0
        gc.callbacks.append(self._heard)

    def stop(self) -> float:
        """The longest of them, in milliseconds."""
        gc.callbacks.remove(self._heard)
        return self._longest_s * 1_000

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        elif info["generation"] == 2:
            self._longest_s = max(self._longest_s, time.thread_time() - self._began)


async def measure(viewers: int) -> dict[str, float]:
    """Milliseconds of each thing."""
    collections = FullCollections()
    world = await crowd(viewers)
    found = {"full garbage collections": collections.stop()}
    try:
        found["nothing"] = await longest_hold_ms(lambda: asyncio.sleep(0))
        for name, thing in LASTING.items():
            found[name] = max([await _round(world, thing) for _ in range(ROUNDS)])
        for name, thing in ONCE.items():
            found[name] = await _round(world, thing)
    finally:
        await world.stop()
    found["the node drains"] = await the_node_drains(viewers)
    found["figures of a real plane"] = await figures_of_a_real_plane(viewers)
    return found


def show(found: dict[int, dict[str, float]]) -> None:
    """Print the milliseconds of each thing, by number of viewers."""
    table = Table("what happens", *(f"{viewers} viewers, ms" for viewers in found))
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{column[name]:.1f}" for column in found.values()))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[2_000, 5_000])
    parser.add_argument("--whole", action="store_true")
    arguments = parser.parse_args()
    asked: list[int] = arguments.viewers
    if not arguments.whole:
        collect_in_portions()
    show({viewers: asyncio.run(measure(viewers)) for viewers in asked})


if __name__ == "__main__":
    main()
