"""What consoles cost a signaling instance whose cluster is very large: 1 000 nodes and 50 000 streams that are hollow.

    .venv/bin/python -m tests.bench.live_feed --nodes 1000 --streams 50000 --consoles 500

The feed is the real one, and so is what it looks at; nobody is behind the nodes and streams. Each second every node
says something new, and every tenth stream changes its viewers. Prints how long it takes until the first picture of each
view, how far pictures are apart, how long one step holds the event loop, and how memory grows.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack

import psutil

from rillcast.cluster.stream_directory import LiveStream, _live_stream
from rillcast.contracts.health import Trouble
from rillcast.contracts.ids import AppName, ClaimId, NodeId, SessionId, StreamId, TrackId, stream_key
from rillcast.contracts.messages import (
    CarriedStream,
    Condition,
    LookAnswer,
    LookRequest,
    NodeInfo,
    NodeLoad,
    NodeReport,
    RelayLink,
    StreamTrouble,
)
from rillcast.contracts.records import StreamRecord, TrackRecord
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.discovery.suspicion import State
from rillcast.runtime.wall_clock import wall_ms
from services.signaling.core.domain.session_history import SessionHistory
from services.signaling.rest.domain.live_ask import asked
from services.signaling.rest.usecases.live_channel import LiveListener
from services.signaling.rest.usecases.live_feed import LiveFeed
from services.signaling.rest.usecases.live_looks import LiveLooks
from services.signaling.rest.usecases.live_world import LiveWorld
from services.signaling.rest.usecases.node_book import NodeBook

APP = AppName("live")
VIEWS = {
    "overview": {},
    "nodes": {"view": "nodes"},
    "streams, worst first": {"view": "streams"},
    "streams, most viewers": {"view": "streams", "sort": "viewers"},
    "streams, a search": {"view": "streams", "q": "777"},
    "one stream": {"view": "stream", "app": "live", "stream": "s7"},
    "one node": {"view": "node", "node": "edge-7"},
}


class Hollow:
    """Nodes and streams behind which nobody is."""

    def __init__(self, nodes: int, streams: int) -> None:
        self._rng = random.Random(7)
        self.reports = {f"edge-{n}": self._report(n, streams) for n in range(nodes)}
        self._others = {f"edge-{n}": self._report(n, streams) for n in range(nodes)}
        self.streams = {stream_key(APP, StreamId(f"s{n}")): self._stream(n, nodes) for n in range(streams)}
        self.counts = [n % 40 for n in range(streams)]

    # what `NodeDirectory` has

    def all(self) -> list[NodeReport]:
        return list(self.reports.values())

    def get(self, node: NodeId) -> NodeReport | None:
        return self.reports.get(node)

    def died(self, node: NodeId) -> bool:
        return node not in self.reports

    def thought_of(self, node: NodeId) -> State:
        return State.CLEAR

    def on_heard(self, listener: Callable[[NodeReport], None]) -> None:
        """Nobody is told."""

    def on_gone(self, listener: Callable[[NodeReport], None]) -> None:
        """Nobody is told."""

    # what happens

    def second(self) -> None:
        """All nodes say something new, and some viewers come and go."""
        self.reports, self._others = self._others, self.reports
        for n in range(0, len(self.counts), 10):
            self.counts[n] = (self.counts[n] + 1) % 40

    def _report(self, n: int, streams: int) -> NodeReport:
        kind = NodeKind.ORIGIN if n % 10 == 0 else NodeKind.EDGE
        info = NodeInfo(
            node=NodeId(f"edge-{n}"),
            kind=kind,
            version="1",
            region=f"region-{n % 5}",
            zone=f"zone-{n % 25}",
            admin_address="192.0.2.1:9100",
            incarnation="x",
        )
        carried = tuple(
            CarriedStream(app=APP, stream=StreamId(f"s{(n * 50 + k) % streams}"), viewers=k % 40) for k in range(50)
        )
        trouble = StreamTrouble(app=APP, stream=StreamId(f"s{n}"), trouble=Trouble.PACKET_LOSS, viewers=2)
        link = RelayLink(parent=NodeId(f"edge-{n - n % 10}"), tracks=90, streams=45)
        return NodeReport(
            info=info,
            load=NodeLoad(cpu=self._rng.random() * 0.8, sessions=1_000, streams=50),
            ready=True,
            carried=carried,
            condition=Condition(links=(link,), troubles=(trouble,) if n % 20 == 1 else (), suffering=2),
        )

    def _stream(self, n: int, nodes: int) -> LiveStream:
        video = TrackRecord(
            track=TrackId("v0"), mid="v0", kind=MediaKind.VIDEO, codec="H264", clock_rate=90_000, height=720, width=1280
        )
        record = StreamRecord(
            app=APP,
            stream=StreamId(f"s{n}"),
            owner=NodeId(f"edge-{n % (nodes // 10) * 10}"),
            publisher_session=SessionId("x"),
            tracks=(video,),
            media_flowing=True,
            started_at_ms=n,
            epoch=1,
            claim=ClaimId("x"),
        )
        return _live_stream(stream_key(APP, record.stream), record, 1, ())


class Published:
    """What `DirectoryStreams` has."""

    def __init__(self, hollow: Hollow) -> None:
        self._streams = hollow.streams

    def all(self) -> Iterable[LiveStream]:
        return iter(self._streams.values())

    def published(self, app: AppName, stream: StreamId) -> LiveStream | None:
        return self._streams.get(stream_key(app, stream))


class Audience:
    """What `Carriers` has."""

    def __init__(self, hollow: Hollow) -> None:
        self._hollow = hollow

    def viewers(self, app: AppName, stream: StreamId) -> int:
        return self._hollow.counts[int(stream[1:])]

    def nodes(self, stream: tuple[AppName, StreamId]) -> Mapping[NodeId, None]:
        return {NodeId("edge-7"): None}


class Lag:
    """How much of the processor something took at most before others got their turn."""

    def __init__(self) -> None:
        self.most_s = 0.0

    async def run(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            self.most_s = max(self.most_s, time.thread_time() - before)


async def _nobody(node: NodeId, request: LookRequest) -> LookAnswer:
    return LookAnswer()


async def _read(listener: LiveListener, sizes: list[int], times: list[float]) -> None:
    async for found in listener.told(10.0):
        sizes.extend(len(told) for _, _, told in found)
        times.extend(time.perf_counter() for _ in found)


async def measure(nodes: int, streams: int, consoles: int, seconds: float) -> None:
    """Print it all."""
    hollow = Hollow(nodes, streams)
    loop = asyncio.get_running_loop()
    history, tasks = SessionHistory(), BackgroundTasks()
    book = NodeBook(hollow, time.time)
    world = LiveWorld(book, hollow, Published(hollow), Audience(hollow), wall_ms)
    feed = LiveFeed(
        world,
        LiveLooks(world, history, _nobody),
        history,
        tasks,
        most=consoles + 10,
        version="1",
        alive=lambda _node, _incarnation: True,
        note=lambda _: "",
        clock=loop.time,
        wall_ms=wall_ms,
    )
    running = asyncio.create_task(feed.run())
    process = psutil.Process()
    gc.collect()
    gc.freeze()  # a process that has grown to this over hours has done so as well
    print(f"{nodes} nodes, {streams} streams\n")
    print("| view | first picture | its size | deltas apart | size of a delta | others wait at most (processor) |")
    print("|---|---|---|---|---|---|")
    for name, query in VIEWS.items():
        lag = Lag()
        watching = asyncio.create_task(lag.run())
        began = time.perf_counter()
        sizes: list[int] = []
        times: list[float] = []
        with feed.listening(asked(query)) as listener:
            reading = asyncio.create_task(_read(listener, sizes, times))
            for _ in range(int(seconds)):
                await asyncio.sleep(1.0)
                hollow.second()
            listener.end()
            await reading
        watching.cancel()
        apart = (times[-1] - times[1]) / max(1, len(times) - 2) if len(times) > 2 else 0.0
        deltas = sum(sizes[1:]) // max(1, len(sizes) - 1)
        print(
            f"| {name} | {1_000 * (times[0] - began):.0f} ms | {sizes[0] / 1_000:.0f} kB | {1_000 * apart:.0f} ms "
            f"| {deltas / 1_000:.1f} kB | {1_000 * lag.most_s:.0f} ms |",
            flush=True,
        )
    for many in (1, consoles):
        with ExitStack() as stack:
            listeners = [stack.enter_context(feed.listening(asked({}))) for _ in range(many)]
            readers = [asyncio.create_task(_read(one, [], [])) for one in listeners]
            await asyncio.sleep(2.0)
            before, began = process.cpu_times().user, time.perf_counter()
            memory = process.memory_info().rss
            for _ in range(int(seconds)):
                await asyncio.sleep(1.0)
            share = (process.cpu_times().user - before) / (time.perf_counter() - began)
            grown = (process.memory_info().rss - memory) / 1e6
            for one in listeners:
                one.end()
            await asyncio.gather(*readers)
        print(f"\n{many} consoles at the overview: {100 * share:.1f} % of one core, memory grew by {grown:.1f} MB")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--streams", type=int, default=50_000)
    parser.add_argument("--consoles", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    asyncio.run(measure(given.nodes, given.streams, given.consoles, given.seconds))
