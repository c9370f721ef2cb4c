"""How long one thing that happens holds the event loop of a signaling instance, with many viewers on WebSockets. On
fakes: the clients speak ASGI in the same process, and bus, store and nodes are fakes that work in the same loop, so the
figures hold their work as well.

    python -m tests.bench.signaling_holds --viewers 2000 5000

Prints, for each thing and each number of viewers, the longest time in which nothing else could run. It is CPU time of
the loop's thread, so that a busy machine does not show. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, StreamId, stream_key
from rillcast.contracts.messages import NodeLeft, NodeLoad
from rillcast.contracts.words import EndReason, SessionState
from rillcast.runtime.process.garbage_collection import collect_in_portions
from rillcast.testing.eventually import eventually
from tests.bench.loop_holds import longest_hold_ms, show
from tests.unit.signaling.asgi_socket import Closed
from tests.unit.signaling.fake_nodes import ANSWER, LIVE
from tests.unit.signaling.signaling_harness import Client, Cluster, cluster

MOST = 1_000_000
"""Limits of one address, which all clients here have, that stop nobody."""
LIMITS = (
    "max_connections_per_address",
    "max_opening",
    "sockets_per_s_per_address",
    "socket_burst_per_address",
    "joins_per_s_per_address",
    "join_burst_per_address",
)
AT_ONCE = 50
"""Joins under way at a time, while the crowd comes."""
ROOM = 100_000
"""Sessions that make an edge full."""
DRAIN_S = 3.0
EDGE_DRAIN_S = 2.0
"""The least that `rillcast up` gives an edge to send its viewers away, which it does evenly."""
RENEWED_S = 0.25
"""How often an edge reports what it carries, and here also the stream's owner that it lives."""
LONGEST_S = 60.0

Thing = Callable[["Crowd"], Awaitable[None]]


class Crowd:
    """Viewers of one stream at two edges. Whatever they are offered they answer."""

    def __init__(self, c: Cluster) -> None:
        self.c = c
        self._open = AsyncExitStack()
        self.gone: set[NodeId] = set()
        """Edges that take nobody."""
        self._tasks = [asyncio.create_task(self._renew())]

    async def come(self, count: int) -> None:
        """So many more play the stream, and are connected."""
        for _ in range(0, count, AT_ONCE):
            await asyncio.gather(*(self._one() for _ in range(AT_ONCE)))
        await self.sees(lambda: sum(len(edge.answers) for edge in self.c.edges) >= count)
        await self.tell_all(state=SessionState.CONNECTED)

    async def tell_all(self, *edges: int, span_s: float = 0.0, **event: Any) -> None:
        """The edges with these indices, or all, say the same of each of their sessions, in so many seconds."""
        for edge in [self.c.edges[n] for n in edges] or self.c.edges:
            for number, session in enumerate(edge.sessions):
                await edge.tell(session, **event)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(span_s * AT_ONCE / len(edge.sessions))

    async def sees(self, condition: Callable[[], object]) -> None:
        """Waits for that, for as long as many clients take."""
        await eventually(condition, LONGEST_S, "what follows for all viewers")

    async def write(self, **changed: Any) -> None:
        """The record of the stream, with that changed; none is written when the stream has ended."""
        bucket, key = self.c.host.buckets[subjects.BUCKET_STREAMS], stream_key(LIVE, StreamId("s1"))
        entry = await bucket.get(key)
        if entry is not None and entry.value is not None:
            await bucket.put(key, msgspec.json.encode({**msgspec.json.decode(entry.value), **changed}))

    async def leave(self) -> None:
        """All sockets are closed."""
        for task in self._tasks:
            task.cancel()
        await self._open.aclose()

    async def _one(self) -> None:
        client = await self._open.enter_async_context(self.c.client())
        await client.send("play", streamId="s1", token="", room="", trackList=[])
        self._tasks.append(asyncio.create_task(_answers(client)))

    async def _renew(self) -> None:
        """As nodes do. An edge that drains goes on draining."""
        while True:
            await asyncio.sleep(RENEWED_S)
            await self.write()
            for edge in self.c.edges:
                if edge.name not in self.gone:
                    self.c.report(edge, load=NodeLoad(sessions=len(edge.sessions), cpu=len(edge.sessions) / ROOM))


async def _answers(client: Client) -> None:
    with suppress(Closed):
        while True:
            if '"offer"' in str(await client.socket.recv()):
                await client.send("takeConfiguration", streamId="s1", type="answer", sdp=ANSWER)


@asynccontextmanager
async def crowd(viewers: int) -> AsyncIterator[Crowd]:
    """An instance with so many viewers, about half of them at each edge."""
    async with cluster(**dict.fromkeys(LIMITS, MOST), drain_timeout_s=DRAIN_S) as c:
        await c.go_live()
        made = Crowd(c)
        try:
            await made.come(viewers)
            yield made
        finally:
            await made.leave()


async def nothing(_: Crowd) -> None:
    """What the measurement itself takes."""


async def figures_of_all(crowd: Crowd) -> None:
    """Five seconds of bit rates come at once."""
    await crowd.tell_all(target_bitrate_bps=900_000, video_bitrate_bps=600_000, audio_bitrate_bps=40_000)


async def the_record_changes(crowd: Crowd) -> None:
    """As every two seconds, with bit rates."""
    await crowd.write(name="Another name")


async def the_stream_waits(crowd: Crowd) -> None:
    """The publisher's media stops, and comes back."""
    await crowd.write(media_flowing=False)
    await asyncio.sleep(0.1)
    await crowd.write(media_flowing=True)


async def an_edge_is_drained(crowd: Crowd) -> None:
    """It sends all its viewers away."""
    edge, other = crowd.c.edges
    crowd.gone.add(edge.name)
    crowd.c.report(edge, ready=False, draining=True)
    before = len(other.answers)
    await crowd.tell_all(0, span_s=EDGE_DRAIN_S, state=SessionState.CLOSED, reason=EndReason.DRAINING)
    await crowd.sees(lambda: len(other.answers) - before >= len(edge.sessions))


async def an_edge_is_gone(crowd: Crowd) -> None:
    """The other one takes all its viewers."""
    edge, other = crowd.c.edges
    crowd.gone = {other.name}
    crowd.c.report(edge)
    before = len(edge.answers)
    crowd.c.host.directory.left(NodeLeft(node=other.name, kind=other.kind))
    await crowd.sees(lambda: len(edge.answers) - before >= 100)


async def the_stream_ends(crowd: Crowd) -> None:
    """Its record is deleted, and each edge says so of each session."""
    await crowd.c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(LIVE, StreamId("s1")))
    await crowd.tell_all(1, state=SessionState.CLOSED, reason=EndReason.STREAM_ENDED)


async def the_instance_drains(crowd: Crowd) -> None:
    """All clients are asked to go elsewhere, and their sockets are closed."""
    for hook in crowd.c.host.drain_hooks:
        await hook()


THINGS: dict[str, Thing] = {
    "nothing": nothing,
    "bit rates of all viewers at once": figures_of_all,
    "the record changes": the_record_changes,
    "the stream waits for its publisher": the_stream_waits,
    "an edge is drained": an_edge_is_drained,
    "an edge is gone": an_edge_is_gone,
    "the stream ends": the_stream_ends,
    "the instance drains": the_instance_drains,
}
"""In this order, one after the other, in one instance."""


async def measure(viewers: int) -> dict[str, float]:
    """Milliseconds of each thing."""
    async with crowd(viewers) as made:
        return {name: await longest_hold_ms(lambda thing=thing: thing(made)) for name, thing in THINGS.items()}  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, nargs="+", default=[2_000, 5_000])
    asked: list[int] = parser.parse_args().viewers
    collect_in_portions()
    show({viewers: asyncio.run(measure(viewers)) for viewers in asked})


if __name__ == "__main__":
    main()
