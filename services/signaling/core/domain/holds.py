"""Who holds a one-time token, or a connection of a subscriber, and who may have it after that.

Nothing is renewed while a session lives. What a hold is worth follows from the signaling instance that opened the
session: while that process lives, it says when the session is over; once it is gone, the hold is over as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import filterfalse

import msgspec

from rillcast.contracts.access_records import Hold, SubscriberRecord, TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.tokens import digest

SETTLED_MS = 2_000
"""A hold that is younger is nobody's to take over. Clients that come back wait longer: Ant Media's SDK starts anew
after 3 s at the earliest, unless its socket closed, which ends its hold."""
SKEW_MS = 60_000
"""How far ahead of ours the clock of another instance may be. A hold that begins later is as old as can be: a clock was
set back since."""
GRACE_MS = 30_000
"""How long a one-time token that was used lets its client come back after the session is over."""

Alive = Callable[[NodeId, str], bool]
"""Whether a signaling process, by its node id and incarnation, is there."""


class Taken(msgspec.Struct, frozen=True):
    """A record as it is to be written, and the sessions that must end because of it."""

    record: TokenRecord | SubscriberRecord
    displaced: tuple[Hold, ...] = ()


def client_mark(client: Client) -> str:
    """By which a client that comes back is told from others that show the same. It is no proof of anything, and counts
    only beside one."""
    return digest(client.address, client.user_agent)[:32]


def take_token(record: TokenRecord, newcomer: Hold, alive: Alive) -> Taken:
    """The token for a new session. Raises UNAUTHORIZED when it was used up, has expired, or another one uses it."""
    check_token_free(record, newcomer.client, newcomer.since_ms, alive)
    return Taken(
        msgspec.structs.replace(record, hold=newcomer), displaced=(record.hold,) if record.hold is not None else ()
    )


def check_token_free(record: TokenRecord, client: str, now_ms: int, alive: Alive) -> None:
    """Raises UNAUTHORIZED unless a client with this mark could have the token now."""
    hold = record.hold
    if hold is not None:
        if not _may_displace(hold, client, now_ms, alive):
            raise RillcastError(ErrorCode.UNAUTHORIZED, "the token is being used by another client")
    elif record.used_until_ms:
        if now_ms > record.used_until_ms:
            raise RillcastError(ErrorCode.UNAUTHORIZED, "the token was used")
    elif now_ms >= record.expire_date * 1_000:
        raise RillcastError(ErrorCode.UNAUTHORIZED, "the token has expired")


def release_token(record: TokenRecord, session: SessionId, *, started: bool, now_ms: int) -> TokenRecord | None:
    """After a session: one that came to nothing has not used the token up. None when others have it by now."""
    if record.hold is None or record.hold.session != session:
        return None
    used_until_ms = now_ms + GRACE_MS if started else record.used_until_ms
    return msgspec.structs.replace(record, hold=None, used_until_ms=used_until_ms)


def token_is_done(record: TokenRecord, now_ms: int) -> bool:
    """Whether nobody can use the token any more, so that it can be forgotten."""
    return record.hold is None and now_ms > (record.used_until_ms or record.expire_date * 1_000)


def take_connection(record: SubscriberRecord, newcomer: Hold, alive: Alive) -> Taken:
    """One more connection of a subscriber. Raises UNAUTHORIZED when it has as many as it may."""
    living = tuple(filterfalse(lambda hold: _is_over(hold, alive), record.holds))
    displaced = tuple(hold for hold in record.holds if hold not in living)
    if len(living) >= record.concurrent_connections_limit:
        again = _first(hold for hold in living if _may_displace(hold, newcomer.client, newcomer.since_ms, alive))
        if again is None:
            raise RillcastError(ErrorCode.UNAUTHORIZED, "the subscriber has as many connections as it may")
        living, displaced = tuple(hold for hold in living if hold is not again), (*displaced, again)
    return Taken(msgspec.structs.replace(record, holds=(*living, newcomer)), displaced)


def release_connection(record: SubscriberRecord, session: SessionId) -> SubscriberRecord | None:
    """After a session. None when it is none of the subscriber's."""
    left = tuple(hold for hold in record.holds if hold.session != session)
    return msgspec.structs.replace(record, holds=left) if left != record.holds else None


def over(holds: Iterable[Hold], alive: Alive) -> list[Hold]:
    """Those of processes that are gone."""
    return [hold for hold in holds if _is_over(hold, alive)]


def _may_displace(hold: Hold, client: str, now_ms: int, alive: Alive) -> bool:
    """Somebody who shows the right thing may have it from its own former session, which may be dead without anybody
    knowing. The first who came keeps it from all others."""
    settled = not -SKEW_MS <= now_ms - hold.since_ms < SETTLED_MS
    return _is_over(hold, alive) or (hold.client == client and settled)


def _is_over(hold: Hold, alive: Alive) -> bool:
    return not alive(hold.instance, hold.incarnation)


def _first(holds: Iterable[Hold]) -> Hold | None:
    return next(iter(holds), None)
