"""How long lists of broadcasts take by REST, and how long it takes to delete them all.

    python -m tests.bench.broadcast_lists --broadcasts 50000 --rounds 40
    python -m tests.bench.broadcast_lists --broadcasts 50000 --rounds 40 --nats

Prints the median and the 95th percentile for each kind of list in milliseconds, and the seconds of the deletion. With
fakes for store and bus, what a store costs is not in it. With ``--nats`` a process of signaling runs on a real
nats-server with JetStream, is asked over a socket, and writes `docs/benchmarks/broadcast-lists.md`. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import nats

from rillcast.contracts import subjects
from rillcast.contracts.ids import StreamId, stream_key
from rillcast.testing.eventually import eventually
from rillcast.testing.servers import nats_server
from services.signaling.config import SignalingSettings
from tests.bench.machine import ROOT as FOLDER
from tests.integration.signaling.rest_instances import rest_instances
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster

PAGE = FOLDER / "docs" / "benchmarks" / "broadcast-lists.md"
ROOT = "/live/rest/v2/broadcasts"
QUERIES = {
    "by id": "list/0/50",
    "by id, the largest page": "list/25000/250",
    "by name": "list/0/50?sort_by=name",
    "by date, backwards": "list/0/50?sort_by=date&order_by=desc",
    "by status": "list/0/50?sort_by=status",
    "searched": "list/0/50?search=77",
    "searched and sorted": "list/0/50?search=77&sort_by=name",
    "of a type": "list/0/50?type_by=liveStream",
    "counted": "count",
    "counted by words": "count/77",
}
AT_ONCE = 500
"""Records that are written to NATS without waiting for the earlier ones."""
START_TIMEOUT_S = 120.0
DELETE_TIMEOUT_S = 1_200.0


def records(broadcasts: int) -> dict[str, bytes]:
    """By their ids, which come in no order."""
    ids = [f"stream{number * 7919 % broadcasts:06}" for number in range(broadcasts)]
    return {
        stream: f'{{"streamId":"{stream}","name":"Show {number * 31 % broadcasts}","date":{number + 1}}}'.encode()
        for number, stream in enumerate(ids)
    }


@asynccontextmanager
async def with_fakes(kept: dict[str, bytes]) -> AsyncIterator[httpx.AsyncClient]:
    """Signaling in this process."""
    cluster = Cluster(SignalingSettings())
    bucket = await cluster.host.kv(subjects.BUCKET_BROADCASTS)
    for stream, value in kept.items():
        await bucket.put(stream_key(LIVE, StreamId(stream)), value)
    async with cluster.running(), cluster.http() as http:
        yield http


@asynccontextmanager
async def with_nats(kept: dict[str, bytes]) -> AsyncIterator[httpx.AsyncClient]:
    """Signaling as a process, that finds the records in JetStream when it starts."""
    with tempfile.TemporaryDirectory(prefix="rillcast-lists-") as folder:
        async with nats_server() as server:
            async with rest_instances(Path(folder), 1, nats_url=server.url):  # which makes the buckets
                pass
            await write(server.url, kept)
            began = time.perf_counter()
            async with rest_instances(Path(folder), 1, nats_url=server.url) as (instance,), instance.http() as http:

                async def whole() -> bool:
                    return bool((await http.get(f"{ROOT}/count")).json()["number"] == len(kept))

                await eventually(whole, START_TIMEOUT_S, "all records are known")
                print(f"{'started, all known':24} {time.perf_counter() - began:6.1f} s")
                yield http


async def write(url: str, kept: dict[str, bytes]) -> None:
    """Puts them into the bucket of an app."""
    began = time.perf_counter()
    client = await nats.connect(url)
    js = client.jetstream()
    prefix = f"$KV.{subjects.BUCKET_BROADCASTS}."
    given = list(kept.items())
    for start in range(0, len(given), AT_ONCE):
        part = given[start : start + AT_ONCE]
        puts = (js.publish(prefix + stream_key(LIVE, StreamId(stream)), value, timeout=30) for stream, value in part)
        await asyncio.gather(*puts)
    await client.close()
    print(f"{'written to JetStream':24} {time.perf_counter() - began:6.1f} s")


async def measure(broadcasts: int, rounds: int, *, nats: bool) -> None:
    """Print the figures; with `nats` also write them down."""
    load, kept = os.getloadavg()[0], records(broadcasts)
    rows = []
    async with (with_nats if nats else with_fakes)(kept) as http:
        for words, query in QUERIES.items():
            took_ms = []
            for _ in range(rounds):
                began = time.perf_counter()
                (await http.get(f"{ROOT}/{query}")).raise_for_status()
                took_ms.append((time.perf_counter() - began) * 1_000)
            median, p95 = statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1]
            rows.append((words, median, p95))
            print(f"{words:24} median {median:6.1f} ms   p95 {p95:6.1f} ms")
        began = time.perf_counter()
        answer = await http.request("DELETE", ROOT, json=list(kept), timeout=DELETE_TIMEOUT_S)
        took_s = time.perf_counter() - began
        print(f"all deleted in {took_s:.1f} s: {answer.json()['success']}")
    if nats:
        PAGE.write_text(page(broadcasts, rounds, load, rows, took_s))


def page(broadcasts: int, rounds: int, load: float, rows: list[tuple[str, float, float]], deleted_s: float) -> str:
    """The figures for the documentation."""
    lines = [
        "# Lists of broadcasts on a real store",
        "",
        f"One signaling process and one nats-server with JetStream on one machine, with {broadcasts:,} broadcasts in",
        f"an app. Each list is asked {rounds} times over a socket, one after the other. The load of the machine at the",
        f"beginning was {load:.1f} on {os.cpu_count()} processors. Written by",
        "",
        f"    python -m tests.bench.broadcast_lists --broadcasts {broadcasts} --rounds {rounds} --nats",
        "",
        "| list | median in ms | 95th percentile in ms |",
        "|---|---|---|",
        *(f"| {words} | {median:.1f} | {p95:.1f} |" for words, median, p95 in rows),
        "",
        f"To delete all of them by one request took {deleted_s:.1f} s.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broadcasts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--nats", action="store_true", help="a real nats-server, and a process of signaling")
    given = parser.parse_args()
    asyncio.run(measure(given.broadcasts, given.rounds, nats=given.nats))
