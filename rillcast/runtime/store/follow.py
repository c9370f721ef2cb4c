"""Following a bucket of the key-value store for as long as a node lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from rillcast.contracts.errors import RillcastError
from rillcast.runtime import metrics
from rillcast.runtime.ports import Entry, KeyValue
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

RETRY_S = 0.5
"""Between a watch that failed and the next one. `KeyValue.watch` itself outlives outages, so this is rare."""


async def follow(bucket: KeyValue, apply: Callable[[Entry], object], *, name: str, after: int = 0) -> NoReturn:
    """Call `apply` with every entry of `bucket`, first those present and then each change, until cancelled.

    `after`: how far a snapshot goes that was applied already; see `KeyValue.watch`.

    Belongs to a supervised task. `apply` runs on the event loop for each entry and must not block; what it returns is
    not looked at, and what it raises ends the follower: an entry that makes no sense is its own to refuse and count.
    The same entry may come again, after an interruption of the store. `name` is how logs and metrics call the bucket.
    """
    while True:
        try:
            async with bucket.watch(after) if after else bucket.watch() as entries:
                async for entry in entries:
                    apply(entry)
            reason = "the watch ended"
        except RillcastError as error:
            reason = error.message
        metrics.KV_FOLLOW_RETRIES.labels(name).inc()
        log.info("The store can't be followed right now", bucket=name, reason=reason)
        await asyncio.sleep(RETRY_S)
