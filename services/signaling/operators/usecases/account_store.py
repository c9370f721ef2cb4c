"""The accounts in the store: the same for all instances, and changed by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.decoding import Undecodable, decode_json
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.ports import KeyValue
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.core.usecases.key_changes import KeyChanges
from services.signaling.operators.domain.accounts import Account, account_key

log = get_logger(__name__)

MAX_ACCOUNTS = 1_000


class AccountStore:
    """One per signaling instance. Nothing is kept here: what holds is asked of the store each time, so that a session
    that ended and a role that changed count at every instance from the next request on. Every method raises
    `RillcastError(STORE_UNAVAILABLE)`."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket
        self._changes = KeyChanges(bucket, busy="the account is being changed by others")

    async def by_key(self, key: str) -> Account | None:
        """The account; None when there is none, or what is there makes no sense."""
        entry = await self._bucket.get(key)
        return None if entry is None or entry.value is None else _decoded(entry.value)

    async def by_email(self, email: str) -> Account | None:
        """The account with this name; None as in `by_key`."""
        return await self.by_key(account_key(email))

    async def all(self) -> list[Account]:
        """Every account, by e-mail."""
        entries = await self._bucket.entries()
        accounts = [_decoded(entry.value) for entry in entries if entry.value is not None]
        return sorted((one for one in accounts if one is not None), key=lambda one: one.email)

    async def create(self, account: Account) -> bool:
        """False when there is one with this e-mail. Raises HIGH_RESOURCE_USAGE when there are too many."""
        if len(await self._bucket.entries()) >= MAX_ACCOUNTS:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, f"there are {MAX_ACCOUNTS} accounts already")
        return await self._bucket.create(account_key(account.email), msgspec.json.encode(account)) is not None

    async def change(self, key: str, change: Callable[[Account], Account]) -> Account | None:
        """The account as changed; None when there is none."""

        def changed(value: bytes | None) -> bytes | None:
            account = None if value is None else _decoded(value)
            return None if account is None else msgspec.json.encode(change(account))

        entry = await self._changes.change(key, changed)
        return None if entry is None or entry.value is None else _decoded(entry.value)

    async def delete(self, email: str) -> bool:
        """Whether there was one."""
        return await self._changes.delete(account_key(email)) is not None


def _decoded(value: bytes) -> Account | None:
    try:
        return decode_json(value, Account)
    except Undecodable as error:
        log.warning("An account in the store makes no sense, and counts as not there", reason=str(error))
        return None
