"""The key that signs WHIP and WHEP resources, the same on every instance: made by whoever comes first."""

from __future__ import annotations

import asyncio
import hmac
import secrets

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.telemetry.logs import get_logger

KEY = "signaling_resource_key"
KEY_BYTES = 32
RETRY_S = 1.0
KEEP_EVERY_S = 2.0
"""How often a running instance looks whether the store still has the key."""
SAY_EVERY_S = 60.0
"""How often the log says that there is no key yet."""

log = get_logger(__name__)


async def shared_key(bucket: KeyValue) -> bytes:
    """The cluster's signing key, made by the first who asks. Raises `RillcastError` when the store does not answer."""
    await bucket.create(KEY, secrets.token_hex(KEY_BYTES).encode())
    entry = await bucket.get(KEY)
    if entry is None or entry.value is None or len(entry.value) < KEY_BYTES:
        raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "the store has no usable signing key")
    return entry.value


async def wait_for_key(bucket: KeyValue, readiness: Readiness) -> bytes:
    """The key as soon as the store has it; this node isn't ready before, and says why in its log."""
    clock = asyncio.get_running_loop().time
    say_at = clock()
    while True:
        try:
            key = await shared_key(bucket)
        except RillcastError as error:
            readiness.set("signing key", False, error.message)
            if clock() >= say_at:
                log.warning("Cannot serve clients without the key that signs resources", reason=error.message)
                say_at = clock() + SAY_EVERY_S
            await asyncio.sleep(RETRY_S)
        else:
            readiness.set("signing key", True)
            return key


async def keep_key(bucket: KeyValue, key: bytes) -> None:
    """Put our key back whenever the store has lost it, until cancelled. All instances that run have the same one; one
    that starts afterwards would make another, and neither would know what the other has signed."""
    told = False
    while True:
        await asyncio.sleep(KEEP_EVERY_S)
        try:
            entry = await bucket.get(KEY)
            if entry is None or entry.value is None:
                if await bucket.create(KEY, key) is not None:
                    log.warning("The store had lost the key that signs resources, it is there again")
                continue
        except RillcastError:
            continue
        other = not hmac.compare_digest(entry.value, key)
        if other and not told:
            log.error("The store has another key than ours; restart this node, or others refuse what it signs")
        told = other
