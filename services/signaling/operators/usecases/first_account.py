"""The account that a new cluster gets: of an administrator, with a random password that is told once."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from rillcast.runtime.telemetry.logs import get_logger
from services.signaling.operators.domain.accounts import SYSTEM, Account, Role
from services.signaling.operators.domain.passwords import wire_form
from services.signaling.operators.ports import OPERATOR, PasswordHashes
from services.signaling.operators.usecases.account_store import AccountStore

FIRST = "admin"
"""The name of the first account."""

log = get_logger(__name__)


def random_password() -> str:
    """120 bits, in letters that a person can type."""
    return "-".join(secrets.token_hex(3) for _ in range(5))


async def ensure_account(
    accounts: AccountStore, hashes: PasswordHashes, given: str, tell: Callable[[str, str], None]
) -> None:
    """Make the first account unless there are accounts. `given` is its password; without one, a random one is made and
    told by `tell`, with the account's name. Of several instances that start at once, one makes the account and tells.
    Raises `RillcastError` when the store is away."""
    known = await accounts.all()
    if known:
        await _warn_of_other_password(known, hashes, given)
        return
    password = given or random_password()
    account = Account(
        email=FIRST,
        password_hash=await hashes.hash(wire_form(password)),
        user_type=Role.ADMIN,
        scope=SYSTEM,
        app_name_user_type={SYSTEM: Role.ADMIN},
    )
    if await accounts.create(account) and not given:
        tell(FIRST, password)


async def _warn_of_other_password(known: list[Account], hashes: PasswordHashes, given: str) -> None:
    """A setting that has no effect is said."""
    first = next((account for account in known if account.email == FIRST), None)
    if given and not await hashes.matches(first.password_hash if first else None, wire_form(given), OPERATOR):
        log.warning(
            "The password in RILLCAST_SIGNALING_ADMIN_PASSWORD is not in force: it counts at the first start alone. "
            "`rillcast password` sets another one",
            account=FIRST,
        )
