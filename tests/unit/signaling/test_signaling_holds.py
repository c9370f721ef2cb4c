"""Who may have a one-time token or a connection, while others hold it and after that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rillcast.contracts.access_records import Hold, SubscriberRecord, TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.holds import (
    GRACE_MS,
    SETTLED_MS,
    SKEW_MS,
    release_connection,
    release_token,
    take_connection,
    take_token,
    token_is_done,
)

NOW_MS = 1_000_000_000
TOKEN = TokenRecord(
    token_id="t", app=AppName("live"), stream=StreamId("s1"), type=Role.PLAY, expire_date=NOW_MS // 1_000 + 60
)
SUBSCRIBER = SubscriberRecord(app=AppName("live"), stream=StreamId("s1"), subscriber_id="alice")


def hold(session: str, **fields: Any) -> Hold:
    made = Hold(
        session=SessionId(session),
        instance=NodeId("signaling-1"),
        incarnation="1",
        role=Role.PLAY,
        client="here",
        since_ms=NOW_MS,
    )
    return msgspec.structs.replace(made, **fields)


def there(node: NodeId, incarnation: str) -> bool:
    return True


def gone(node: NodeId, incarnation: str) -> bool:
    return False


def held(record: TokenRecord, newcomer: Hold) -> TokenRecord:
    taken = take_token(record, newcomer, there).record
    assert isinstance(taken, TokenRecord)
    return taken


def refused(record: TokenRecord, newcomer: Hold) -> str:
    with pytest.raises(RillcastError) as caught:
        take_token(record, newcomer, there)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    return caught.value.message


def used(record: TokenRecord, at_ms: int = NOW_MS) -> TokenRecord:
    after = release_token(held(record, hold("one")), SessionId("one"), started=True, now_ms=at_ms)
    assert after is not None
    return after


def test_a_token_is_for_one_at_a_time() -> None:
    assert "another client" in refused(held(TOKEN, hold("one")), hold("two", client="there"))
    late = hold("two", client="there", since_ms=NOW_MS + 3_600_000)
    assert "another client" in refused(held(TOKEN, hold("one")), late), "however long the first one stays"


def test_two_at_the_same_moment_do_not_both_get_it_not_even_from_one_address() -> None:
    assert refused(held(TOKEN, hold("one")), hold("two", since_ms=NOW_MS + SETTLED_MS - 1))


def test_a_client_that_comes_back_takes_its_own_session_over() -> None:
    taken = take_token(held(TOKEN, hold("one")), hold("two", since_ms=NOW_MS + SETTLED_MS), there)
    assert [displaced.session for displaced in taken.displaced] == ["one"]


def test_a_clock_that_was_set_back_keeps_nobody_from_its_own_session() -> None:
    assert refused(held(TOKEN, hold("one")), hold("two", since_ms=NOW_MS - SKEW_MS))
    taken = take_token(held(TOKEN, hold("one")), hold("two", since_ms=NOW_MS - 3_600_000), there)
    assert [displaced.session for displaced in taken.displaced] == ["one"]


def test_a_hold_of_a_process_that_is_gone_is_over() -> None:
    taken = take_token(held(TOKEN, hold("one")), hold("two", client="there"), gone)
    assert [displaced.session for displaced in taken.displaced] == ["one"]


def test_a_session_that_came_to_nothing_has_not_used_the_token_up() -> None:
    free = release_token(held(TOKEN, hold("one")), SessionId("one"), started=False, now_ms=NOW_MS)
    assert free == TOKEN
    assert held(TOKEN, hold("two", client="there"))


def test_after_a_session_its_client_may_come_back_for_a_while_from_anywhere() -> None:
    token = used(TOKEN)
    assert held(token, hold("two", client="there", since_ms=NOW_MS + GRACE_MS))
    assert "was used" in refused(token, hold("two", since_ms=NOW_MS + GRACE_MS + 1))


def test_a_return_that_comes_to_nothing_does_not_prolong_that_while() -> None:
    token = used(TOKEN)
    back = held(token, hold("two", since_ms=NOW_MS + GRACE_MS))
    assert release_token(back, SessionId("two"), started=False, now_ms=NOW_MS + GRACE_MS) == token


def test_a_token_must_be_used_before_it_expires_and_its_session_may_last_longer() -> None:
    expired_ms = TOKEN.expire_date * 1_000
    assert held(TOKEN, hold("one", since_ms=expired_ms - 1))
    assert "expired" in refused(TOKEN, hold("one", since_ms=expired_ms))
    assert held(used(TOKEN, expired_ms + 5_000), hold("two", since_ms=expired_ms + 6_000))


def test_what_others_hold_is_not_released() -> None:
    taken = held(TOKEN, hold("one"))
    assert release_token(taken, SessionId("two"), started=True, now_ms=NOW_MS) is None
    assert release_token(TOKEN, SessionId("one"), started=True, now_ms=NOW_MS) is None


def test_a_token_is_done_when_nobody_can_use_it() -> None:
    expired_ms = TOKEN.expire_date * 1_000
    assert not token_is_done(TOKEN, expired_ms)
    assert token_is_done(TOKEN, expired_ms + 1)
    assert not token_is_done(held(TOKEN, hold("one")), expired_ms + 1)
    assert not token_is_done(used(TOKEN, expired_ms), expired_ms + GRACE_MS)
    assert token_is_done(used(TOKEN), NOW_MS + GRACE_MS + 1)


def connected(record: SubscriberRecord, newcomer: Hold) -> SubscriberRecord:
    taken = take_connection(record, newcomer, there).record
    assert isinstance(taken, SubscriberRecord)
    return taken


def test_a_subscriber_has_as_many_connections_as_it_may() -> None:
    two = msgspec.structs.replace(SUBSCRIBER, concurrent_connections_limit=2)
    full = connected(connected(two, hold("one", client="a")), hold("two", client="b"))

    with pytest.raises(RillcastError, match="as many connections") as caught:
        take_connection(full, hold("three", client="c", since_ms=NOW_MS + 60_000), there)
    assert caught.value.code is ErrorCode.UNAUTHORIZED

    left = release_connection(full, SessionId("one"))
    assert left is not None
    assert [one.session for one in connected(left, hold("three", client="c")).holds] == ["two", "three"]


def test_a_subscriber_that_comes_back_takes_its_own_connection_over() -> None:
    full = connected(SUBSCRIBER, hold("one"))
    taken = take_connection(full, hold("two", since_ms=NOW_MS + SETTLED_MS), there)
    assert [displaced.session for displaced in taken.displaced] == ["one"]


def test_connections_of_processes_that_are_gone_count_for_nothing() -> None:
    full = connected(SUBSCRIBER, hold("one", client="a"))
    taken = take_connection(full, hold("two", client="b"), gone)
    assert [displaced.session for displaced in taken.displaced] == ["one"]
    assert isinstance(taken.record, SubscriberRecord)
    assert [one.session for one in taken.record.holds] == ["two"]


def test_the_end_of_a_session_that_is_none_of_its_changes_nothing() -> None:
    assert release_connection(SUBSCRIBER, SessionId("one")) is None
