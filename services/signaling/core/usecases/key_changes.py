"""Changing the keys of a bucket while others may change them too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum

from rillcast.cluster.backoff import Backoff
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.tasks.key_locks import KeyLocks, TooManyWait
from services.signaling import metrics

ATTEMPTS = 12
"""Of one change, against the other instances. The pauses between them add up to about 3 seconds at most."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.5
MAX_WAITING = 200
"""Changes of one key that wait for the one under way."""
MAX_WAIT_S = 10.0
RETRY_AFTER_S = 1.0


class NoTurn(StrEnum):
    """Why a change was not made: the labels of ``rillcast_signaling_key_changes_refused_total``."""

    TOO_MANY = "too_many"
    """They waited for the same key at this instance."""
    WAITED = "waited"
    """The change waited too long for its turn."""
    CONTENDED = "contended"
    """Other instances changed it each time."""


class KeyChanges:
    """Of one bucket by one instance. Changes of the same key queue here, in the order in which they came, so that only
    the other instances can come in between."""

    def __init__(self, bucket: KeyValue, *, busy: str, rng: random.Random | None = None) -> None:
        """`busy`: the sentence of the STORE_UNAVAILABLE that is raised when a change has had no turn: there are
        `MAX_WAITING` before it, it has waited `MAX_WAIT_S`, or other instances wrote in between `ATTEMPTS` times."""
        self._bucket = bucket
        self._busy = busy
        self._rng = rng
        self._locks = KeyLocks(MAX_WAITING)

    def __len__(self) -> int:
        """How many keys are being changed."""
        return len(self._locks)

    async def change(self, key: str, change: Callable[[bytes | None], bytes | None]) -> Entry | None:
        """Write what `change` makes of the present value (None: there is none) and return it as written. None, and
        nothing written, when `change` returns None.

        `change` is called again with the newer value when another instance wrote in between. What it raises goes
        through.
        """
        async with self._turn(key):
            for pause_s in self._pauses():
                await asyncio.sleep(pause_s)
                present = await self._bucket.get(key)
                value = change(present.value if present is not None else None)
                if value is None:
                    return None
                revision = await self._write(key, value, present)
                if revision is not None:
                    return Entry(key, value, revision)
        raise self._refused(NoTurn.CONTENDED)

    async def delete(self, key: str) -> Entry | None:
        """Delete the key and return the deletion. None when there was nothing: of several callers, at any instance,
        only one is told that it deleted."""
        async with self._turn(key):
            for pause_s in self._pauses():
                await asyncio.sleep(pause_s)
                present = await self._bucket.get(key)
                if present is None or present.value is None:
                    return None
                revision = await self._bucket.delete(key, present.revision)
                if revision is not None:
                    return Entry(key, None, revision)
        raise self._refused(NoTurn.CONTENDED)

    async def _write(self, key: str, value: bytes, present: Entry | None) -> int | None:
        if present is None or present.value is None:
            return await self._bucket.create(key, value)
        return await self._bucket.update(key, value, present.revision)

    def _pauses(self) -> list[float]:
        """The pause before each attempt, in seconds. The first has none."""
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, self._rng)
        return [0.0, *(backoff.next_delay_s() for _ in range(ATTEMPTS - 1))]

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(MAX_WAIT_S) as waiting, self._locks.hold(key):
                waiting.reschedule(None)
                yield
        except TooManyWait as error:
            raise self._refused(NoTurn.TOO_MANY) from error
        except TimeoutError as error:
            if not waiting.expired():
                raise
            raise self._refused(NoTurn.WAITED) from error

    def _refused(self, reason: NoTurn) -> RillcastError:
        metrics.KEY_CHANGES_REFUSED.labels(reason).inc()
        return RillcastError(ErrorCode.STORE_UNAVAILABLE, self._busy, RETRY_AFTER_S)
