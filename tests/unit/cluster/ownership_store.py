"""The store of the simulation, whose answers come late, get lost, or tell of an earlier state, and who follows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Generator
from typing import Any, Protocol, TypeVar

from rillcast.cluster.stream_directory import LiveStream, StreamDirectory
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.runtime.ports import Entry
from rillcast.testing.kv import FakeKeyValue

APP, STREAM = AppName("live"), StreamId("s1")
KEY = stream_key(APP, STREAM)
LEASE_S = 6.0
AWAY = RillcastError(ErrorCode.STORE_UNAVAILABLE, "the answer got lost", 1.0)

Result = TypeVar("Result")


class Broken(AssertionError):
    """A promise was broken; the text says which."""


class Answer:
    """An answer on its way: whoever waits for it goes on when the test says so."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def go_on(coroutine: Coroutine[Any, Any, object]) -> bool:
    """Let it run to its next answer. Whether it has ended; a store that is away ends it too."""
    try:
        coroutine.send(None)
    except (StopIteration, RillcastError):
        return True
    return False


class Store(FakeKeyValue):
    """Every operation happens at once, and its answer comes later, or never."""

    def __init__(self, clock: Any) -> None:
        super().__init__("streams", LEASE_S, clock)
        self.followers: list[Follower] = []
        self.lose_answers = False

    async def get(self, key: str) -> Entry | None:
        return await self._answered(await super().get(key))

    async def create(self, key: str, value: bytes) -> int | None:
        return await self._answered(await super().create(key, value))

    async def update(self, key: str, value: bytes, revision: int) -> int | None:
        return await self._answered(await super().update(key, value, revision))

    async def delete(self, key: str, revision: int | None = None) -> int | None:
        return await self._answered(await super().delete(key, revision))

    def interrupt(self) -> None:
        super().interrupt()
        for follower in self.followers:
            follower.missed = deque(self._present())

    def now(self, key: str) -> Entry | None:
        """What lies there at this moment."""
        return self._current(key)

    async def _answered(self, result: Result) -> Result:
        lost = self.lose_answers
        await Answer()
        if lost:
            raise AWAY
        return result

    def _write(self, key: str, value: bytes | None) -> int:
        revision = super()._write(key, value)
        for follower in self.followers:
            follower.missed.append(Entry(key=key, value=value, revision=revision))
        return revision


class Simulated(Protocol):
    """The part of `Sim` that a follower needs."""

    now: float
    store: Store


class Follower:
    """A node's directory, and what the change feed has not brought to it yet."""

    def __init__(self, sim: Simulated) -> None:
        self.sim = sim
        self.directory = StreamDirectory(LEASE_S)
        self.missed: deque[Entry] = deque()
        sim.store.followers.append(self)

    def hear(self, count: int) -> None:
        for _ in range(min(count, len(self.missed))):
            self.directory.apply_stream(self.missed.popleft(), self.sim.now)

    def pass_time(self) -> None:
        self.directory.expire(self.sim.now, hearing=1)

    @property
    def live(self) -> LiveStream | None:
        return self.directory.by_key(KEY)
