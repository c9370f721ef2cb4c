"""Hashes of passwords by argon2id, in a thread of its own.

There is one thread, which has the lowest priority of the system, so that signing in takes no time from the clients of
this node. OWASP's least parameters are used: each hash takes 19 MiB, and a few hundredths of a second of one core.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.signaling import metrics
from services.signaling.core.domain.client_rate import TooOften
from services.signaling.operators.domain.hash_line import HashLine, HashTicket, Refused
from services.signaling.operators.ports import OPERATOR, Asker

NICENESS = 19
RETRY_AFTER_S = 2.0
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$ggz+KdrUfpS3UwZTDSNQlQ$K7jr4R3zoSulil0B0cNAPMFInU0nBlF4dUr8g+7qyBY"
"""A hash that nothing fits, for accounts that are not there: they are to take as long."""

Made = TypeVar("Made")


class Argon2Hashes:
    """`ports.PasswordHashes`. One per signaling instance; the thread ends with the process, or by `close`."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._pool = ThreadPoolExecutor(1, "argon2", initializer=_be_nice)
        self._line = HashLine()
        self._turns: dict[HashTicket, asyncio.Future[None]] = {}

    async def hash(self, password: str) -> str:
        """See `PasswordHashes.hash`."""
        return await self._run(lambda: self._hasher.hash(password), OPERATOR)

    async def matches(self, hash: str | None, password: str, asker: Asker) -> bool:
        """See `PasswordHashes.matches`."""
        return await self._run(lambda: self._verify(hash or NOBODYS, password), asker) and bool(hash)

    def close(self) -> None:
        """End the thread once it is done. Nothing may be asked afterwards."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, make: Callable[[], Made], asker: Asker) -> Made:
        """What nobody waits for any more is not begun. What has begun goes on, and there is one of that at most."""
        waiting, turn = self._enter(asker)
        try:
            await turn
            return await asyncio.get_running_loop().run_in_executor(self._pool, make)
        finally:
            if self._turns.pop(waiting, None) is not None:
                self._line.leave(waiting)
                self._begin_next()

    def _enter(self, asker: Asker) -> tuple[HashTicket, asyncio.Future[None]]:
        waiting, loser = self._line.enter(asker.address, first=asker.first)
        if loser is not None and not (lost := self._turns.pop(loser)).done():
            lost.set_exception(_busy(Refused.FULL))
        if isinstance(waiting, Refused):
            raise _busy(waiting)
        turn = self._turns[waiting] = asyncio.get_running_loop().create_future()
        self._begin_next()
        return waiting, turn

    def _begin_next(self) -> None:
        waiting = self._line.next()
        if waiting is not None and not self._turns[waiting].done():
            self._turns[waiting].set_result(None)


def _busy(why: Refused) -> TooOften:
    metrics.SIGN_INS.labels("busy" if why is Refused.FULL else "share").inc()
    return TooOften(why.value, RETRY_AFTER_S)


def _be_nice() -> None:
    """On Linux a priority is that of a thread."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
