"""The buckets of a running NATS, each opened with the key of whom it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rillcast.cli.faults import CannotGoOn
from rillcast.cli.run_folder import RunFolder
from rillcast.cli.store.contents import KEPT, Kept
from rillcast.cli.tool_settings import settings_of
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.permissions import MAKER, BusUser
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.errors import StartError
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.runtime.store.nats_walk import NatsWalk

Result = TypeVar("Result")
PATIENCE_S = 15.0
"""How long a store that does not answer is asked again. Three servers need seconds to agree on a leader."""
_RETRY_S = 0.5
_HINT = "rillcast needs the keys of signaling and of license for this: name their folder by --keys"


@dataclass(frozen=True)
class Opened:
    """One bucket, to write it and to read it."""

    kv: NatsKeyValue
    walk: NatsWalk


@asynccontextmanager
async def store(running: RunFolder, keys: Path | None, *, makes: bool) -> AsyncIterator[dict[Kept, Opened]]:
    """Every bucket of which backups are made. `makes`: make those that are missing, as the license service does.
    Raises CannotGoOn."""
    async with AsyncExitStack() as stack:
        try:
            yield await _open(stack, running, keys, makes=makes)
        except StartError as error:
            raise CannotGoOn(str(error), [_HINT] if keys is None else []) from None
        except RillcastError as error:
            raise CannotGoOn(error.message) from None


async def _open(stack: AsyncExitStack, running: RunFolder, keys: Path | None, *, makes: bool) -> dict[Kept, Opened]:
    doors: dict[BusUser, NatsConnection] = {}
    for user in sorted({kept.owner for kept in KEPT} | {MAKER}):
        settings = settings_of(user, running, keys)
        doors[user] = connection = NatsConnection(settings, "rillcast-store", user=user)
        stack.push_async_callback(connection.close)
        await connection.open()
    buckets: dict[Kept, Opened] = {}
    for kept in KEPT:
        name, lease_s = kept.bucket.name, kept.bucket.lease_s
        if makes:
            maker = NatsKeyValue(
                doors[MAKER], name, lease_s, storage=settings.kv_storage, replicas=settings.kv_replicas
            )
            await maker.open(PATIENCE_S)
        opened = Opened(NatsKeyValue(doors[kept.owner], name, lease_s, makes=False), NatsWalk(doors[kept.owner], name))
        await opened.kv.open(0.0)
        buckets[kept] = opened
    return buckets


async def patiently(step: Callable[[], Awaitable[Result]]) -> Result:
    """Try again for `PATIENCE_S` while the store is away. What is tried must do no harm when it is done twice."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await step()
        except RillcastError as error:
            if error.code is not ErrorCode.STORE_UNAVAILABLE or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_RETRY_S)
