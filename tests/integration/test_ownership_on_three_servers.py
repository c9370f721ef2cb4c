"""Claims on a store of three nats-servers, one of which is killed, frozen, stopped, or started with an old copy of its
data, while several nodes claim one key: the claims that were won have one order, each over the one before it.

Reads are not held to it. A server that was frozen while it led answers with the past for a moment, and a claim may be
refused for the sake of another one that readers don't see yet. Nothing depends on them (`rillcast.cluster.lease`).

The suite has each fault once. ``RILLCAST_OWNERSHIP_ROUNDS=20 pytest -s -o timeout=0 -o faulthandler_timeout=0`` on this
file has each of them twenty times, in half a minute a round, and prints how many claims there were.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import nats.errors
import pytest

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.runtime.tasks.cancel import cancelled
from rillcast.testing.eventually import eventually
from rillcast.testing.linearizability import CompareAndSet, Operation, Read, is_linearizable
from rillcast.testing.servers import NatsServer, nats_cluster

ROUNDS = int(os.environ.get("RILLCAST_OWNERSHIP_ROUNDS", "1"))
KEY, BUCKET = "live/s1", "claims"
PAUSE_S = 0.05
NO_ANSWER = (nats.errors.Error, OSError, TimeoutError)
PATIENCE_S = 60.0
"""For a new leader: servers notice a loss after seconds, and longer on a busy machine."""


class Claimer:
    """A node that claims the key again and again, over whatever it finds there."""

    def __init__(self, name: str, connection: NatsConnection, history: list[Operation]) -> None:
        self.name = name
        self.connection = connection
        self.bucket = NatsKeyValue(connection, BUCKET, replicas=3)
        self.won = 0
        self._history = history
        self._tried = 0

    async def run(self) -> None:
        while True:
            await self._claim()
            await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE_S)

    async def _claim(self) -> None:
        called = now()
        try:
            entry = await self.bucket.get(KEY)
        except RillcastError:
            return
        assert entry is not None
        assert entry.value is not None
        saw = entry.value.decode()
        self._history.append(Read(called=called, answered=now(), saw=saw))
        self._tried += 1
        value, called, done = f"{self.name}-{self._tried}", now(), False
        try:
            done = await self.bucket.update(KEY, value.encode(), entry.revision) is not None
        except RillcastError:
            pass
        finally:
            # Without an answer, also when the test ends before it comes, it may have happened. So it may when it was
            # refused: see `rillcast.cluster.lease`.
            answered = now() if done else math.inf
            self._history.append(CompareAndSet(called=called, answered=answered, expected=saw, value=value, done=done))
        self.won += done


class Stage:
    """The servers and those who claim."""

    def __init__(self, servers: list[NatsServer], claimers: list[Claimer], history: list[Operation]) -> None:
        self.servers = servers
        self.claimers = claimers
        self.history = history

    async def goes_on(self, count: int = 5) -> None:
        """Wait until so many more claims were won."""
        before = sum(claimer.won for claimer in self.claimers)
        await eventually(
            lambda: sum(claimer.won for claimer in self.claimers) >= before + count, PATIENCE_S, "more claims"
        )

    async def leader(self) -> NatsServer:
        found = await eventually(self._leader, PATIENCE_S, "a leader of the bucket")
        assert found is not None
        return found

    async def all_are_current(self) -> None:
        """Wait until every server has all that was written."""
        await eventually(self._are_current, PATIENCE_S, "three servers that have all")

    async def _leader(self) -> NatsServer | None:
        for claimer in self.claimers:
            try:
                info = await claimer.connection.client.jetstream(timeout=2.0).stream_info(f"KV_{BUCKET}")
            except NO_ANSWER:
                continue
            if info.cluster is not None and info.cluster.leader:
                return self.servers[int(info.cluster.leader[1:])]
        return None

    async def _are_current(self) -> bool:
        try:
            info = await self.claimers[0].connection.client.jetstream(timeout=2.0).stream_info(f"KV_{BUCKET}")
        except NO_ANSWER:
            return False
        peers = info.cluster.replicas if info.cluster is not None else None
        return peers is not None and len(peers) == 2 and all(peer.current and not peer.offline for peer in peers)


def suspicious(claims: list[CompareAndSet]) -> list[str]:
    """Claims that were won over one value, and claims over what nobody wrote."""
    written = {claim.value for claim in claims} | {"first"}
    over = Counter(claim.expected for claim in claims if claim.done)
    return [
        str(claim) for claim in claims if claim.done and (over[claim.expected] > 1 or claim.expected not in written)
    ]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Three servers, and as many nodes that claim, each of which prefers another server."""
    history: list[Operation] = []
    async with nats_cluster() as servers:
        claimers: list[Claimer] = []
        for number in range(len(servers)):
            urls = ",".join(server.url for server in (*servers[number:], *servers[:number]))
            connection = NatsConnection(NodeSettings(nats_url=urls), f"claimer-{number}")
            await connection.open()
            claimers.append(Claimer(f"c{number}", connection, history))
        for claimer in claimers:
            await claimer.bucket.open(PATIENCE_S)
        await claimers[0].bucket.put(KEY, b"first")
        running = [asyncio.create_task(claimer.run()) for claimer in claimers]
        try:
            yield Stage(servers, claimers, history)
        finally:
            await cancelled(*running)
            for claimer in claimers:
                await claimer.connection.close()


async def kill_the_leader(on: Stage) -> None:
    leader = await on.leader()
    await leader.kill()
    await on.goes_on()
    await leader.start()


async def freeze_the_leader(on: Stage) -> None:
    leader = await on.leader()
    leader.freeze()
    try:
        await on.goes_on()
    finally:
        leader.freeze(False)


async def restart_a_server(on: Stage) -> None:
    server = random.choice(on.servers)
    await server.stop()
    await on.goes_on()
    await server.start()


async def start_with_an_old_copy(on: Stage) -> None:
    server = random.choice(on.servers)
    await server.stop()
    server.copy_data()
    await server.start()
    await on.all_are_current()
    await on.goes_on()
    await server.stop()
    server.restore_data()
    await server.start()


FAULTS: list[Callable[[Stage], Awaitable[None]]] = [
    kill_the_leader,
    freeze_the_leader,
    restart_a_server,
    start_with_an_old_copy,
]


@pytest.mark.timeout(180 + 120 * ROUNDS)
async def test_claims_have_one_order_whatever_happens_to_one_of_three_servers() -> None:
    async with stage() as on:
        for _ in range(ROUNDS):
            for fault in FAULTS:
                await on.all_are_current()
                await on.goes_on()
                await fault(on)
                await on.goes_on()
    claims = [operation for operation in on.history if isinstance(operation, CompareAndSet)]
    won = sum(operation.done for operation in claims)
    print(f"{len(claims)} claims, {won} won; with what was read: {is_linearizable(on.history, 'first')}")
    assert is_linearizable(claims, "first"), "\n".join(suspicious(claims))
