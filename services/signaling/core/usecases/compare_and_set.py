"""Changing one key of the store while others may change it too."""

from __future__ import annotations

from collections.abc import Callable

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.ports import Entry, KeyValue

ATTEMPTS = 5
RETRY_AFTER_S = 1.0


async def compare_and_set(
    bucket: KeyValue, key: str, change: Callable[[bytes | None], bytes | None], *, busy: str
) -> Entry | None:
    """Write what `change` makes of the present value (None: there is none) and return it as written. None, and nothing
    written, when `change` returns None.

    `change` is called again with the newer value when somebody else wrote in between, at most `ATTEMPTS` times: then
    STORE_UNAVAILABLE is raised with the sentence `busy`. What `change` raises goes through.
    """
    for _ in range(ATTEMPTS):
        entry = await bucket.get(key)
        present = entry if entry is not None and entry.value is not None else None
        value = change(present.value if present is not None else None)
        if value is None:
            return None
        if present is not None:
            revision = await bucket.update(key, value, present.revision)
        else:
            revision = await bucket.create(key, value)
        if revision is not None:
            return Entry(key, value, revision)
    raise RillcastError(ErrorCode.STORE_UNAVAILABLE, busy, RETRY_AFTER_S)
