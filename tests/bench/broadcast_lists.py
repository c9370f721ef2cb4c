"""How long lists of broadcasts take by REST, and how long it takes to delete them all, with fakes for store and bus.

    python -m tests.bench.broadcast_lists --broadcasts 50000 --rounds 40

Prints the median and the 95th percentile for each kind of list in milliseconds, and the seconds of the deletion. What a
store costs is not in it. Asserts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from rillcast.contracts import subjects
from rillcast.contracts.ids import StreamId, stream_key
from services.signaling.config import SignalingSettings
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster

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


async def measure(broadcasts: int, rounds: int) -> None:
    """Print the figures."""
    cluster = Cluster(SignalingSettings())
    bucket = await cluster.host.kv(subjects.BUCKET_BROADCASTS)
    ids = [f"stream{number * 7919 % broadcasts:06}" for number in range(broadcasts)]
    for number, stream in enumerate(ids):
        value = f'{{"streamId":"{stream}","name":"Show {number * 31 % broadcasts}","date":{number + 1}}}'
        await bucket.put(stream_key(LIVE, StreamId(stream)), value.encode())
    async with cluster.running(), cluster.http() as http:
        for words, query in QUERIES.items():
            took_ms = []
            for _ in range(rounds):
                began = time.perf_counter()
                (await http.get(f"{ROOT}/{query}")).raise_for_status()
                took_ms.append((time.perf_counter() - began) * 1_000)
            p95 = statistics.quantiles(took_ms, n=20)[-1]
            print(f"{words:24} median {statistics.median(took_ms):6.1f} ms   p95 {p95:6.1f} ms")
        began = time.perf_counter()
        answer = await http.request("DELETE", ROOT, json=ids, timeout=600)
        print(f"all deleted in {time.perf_counter() - began:.1f} s: {answer.json()['success']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broadcasts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    asyncio.run(measure(given.broadcasts, given.rounds))
