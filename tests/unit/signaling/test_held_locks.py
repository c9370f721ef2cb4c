"""The two locks for which the store is asked: which key opens them, what is held, and what a wrong key costs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts.access_records import Hold, SubscriberRecord, TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role, SubscriberType
from rillcast.runtime.ports import Entry
from rillcast.testing.clock import FakeClock
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.holds import Alive, Taken, client_mark
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.tokens import digest
from services.signaling.core.domain.totp import code_at, derived_key, key_of
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity
from services.signaling.core.usecases.grants import Grants
from services.signaling.core.usecases.held_locks import OneTimeTokens, SubscriberCodes
from services.signaling.core.usecases.subscriber_store import SubscriberStore, subscriber_key
from services.signaling.core.usecases.token_store import TokenStore, token_key

APP, STREAM, SESSION = AppName("live"), StreamId("s1"), SessionId("session")
NOW_S = 1_800_000_000
SECRET = "a secret of at least thirty-two bytes"
B32 = "JBSWY3DPEHPK3PXP"
CLIENT = Client(address="192.0.2.1", user_agent="browser")
OPEN = AppSettings(app_name=APP)
TOTP = AppSettings(
    app_name=APP,
    enable_time_token_for_play=True,
    time_token_secret_for_play=SECRET,
    time_token_secret_for_publish="p" * 40,
)


class FakeGrants:
    """`Grants` whose time stands, that take what they are told to take and remember it."""

    def __init__(self) -> None:
        self.held: list[tuple[SessionId, str]] = []
        self.taken: list[Taken] = []

    def now_ms(self) -> int:
        return NOW_S * 1_000

    def alive(self, node: NodeId, incarnation: str) -> bool:
        return True

    async def hold(
        self,
        applicant: Applicant,
        session: SessionId,
        entry: tuple[object, str],
        take: Callable[[Hold, Alive], Awaitable[Taken]],
    ) -> None:
        mark = client_mark(applicant.client)
        hold = Hold(
            session=session,
            role=applicant.role,
            instance=NodeId("n"),
            incarnation="i",
            client=mark,
            since_ms=self.now_ms(),
        )
        self.taken.append(await take(hold, self.alive))
        self.held.append((session, entry[1]))


def applicant(
    role: Role = Role.PLAY,
    *,
    session: SessionId | None = SESSION,
    token: str = "",
    subscriber: str = "",
    code: str = "",
    **fields: Any,
) -> Applicant:
    shown = Credentials(token=token, subscriber_id=subscriber, subscriber_code=code)
    plain = Applicant(role=role, app=APP, stream=STREAM, credentials=shown, client=CLIENT, session=session)
    return msgspec.structs.replace(plain, **fields)


def refusals(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


class Tokens:
    """A store of one-time tokens, and their lock."""

    def __init__(self) -> None:
        self.grants = FakeGrants()
        self.store = TokenStore(FakeKeyValue())
        self.lock = OneTimeTokens(self.store, cast("Grants", self.grants))

    async def made(self, role: Role = Role.PLAY, stream: str = STREAM, room: str = "") -> TokenRecord:
        return await self.store.create(APP, StreamId(stream), role, NOW_S + 60, room)

    async def opens(self, applicant: Applicant) -> bool:
        try:
            await self.lock.ask(applicant, OPEN)
        except RillcastError as error:
            assert error.code is ErrorCode.UNAUTHORIZED
            return False
        return True


@pytest.mark.parametrize("role", list(Role))
def test_a_lock_is_asked_for_by_the_switch_of_its_role(role: Role) -> None:
    token = msgspec.structs.replace(OPEN, **{f"{role.value}_token_control_enabled": True})
    code = msgspec.structs.replace(OPEN, **{f"enable_time_token_for_{role.value}": True})
    tokens, codes = Tokens().lock, Codes().lock
    for one in Role:
        assert tokens.applies(applicant(one), token) == codes.applies(applicant(one), code) == (one is role)
        assert not tokens.applies(applicant(one), code)
        assert not codes.applies(applicant(one), token)


async def test_a_token_lets_in_who_shows_it_and_is_held_for_the_session() -> None:
    site = Tokens()
    record = await site.made()
    proved = await site.lock.ask(applicant(token=record.token_id), OPEN)
    assert proved == VerifiedIdentity(Proof.TOKEN, digest(record.token_id))
    assert site.grants.held == [(SESSION, token_key(APP, record.token_id))]
    kept = await site.store.find(APP, record.token_id)
    assert kept is not None
    assert kept.hold is not None
    assert kept.hold.session == SESSION


async def test_for_a_mere_question_nothing_is_held_and_a_token_in_use_is_refused() -> None:
    site = Tokens()
    record = await site.made()
    question = applicant(token=record.token_id, session=None)
    assert await site.opens(question)
    assert site.grants.held == []

    assert await site.opens(applicant(token=record.token_id))
    assert not await site.opens(msgspec.structs.replace(question, client=Client(address="192.0.2.9")))


@pytest.mark.parametrize(("shown", "words"), [("", "is needed to play"), ("invented", "not valid here")])
async def test_without_a_token_that_was_made_nobody_comes_in(shown: str, words: str) -> None:
    with pytest.raises(RillcastError, match=words) as refused:
        await Tokens().lock.ask(applicant(token=shown), OPEN)
    assert refused.value.code is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize(
    ("made", "asked", "opens"),
    [
        ((Role.PLAY, STREAM, ""), {"role": Role.PLAY}, True),
        ((Role.PUBLISH, STREAM, ""), {"role": Role.PUBLISH}, True),
        ((Role.PUBLISH, STREAM, ""), {"role": Role.PLAY}, False),
        ((Role.PLAY, STREAM, ""), {"role": Role.PUBLISH}, False),
        ((Role.PLAY, "other", ""), {"role": Role.PLAY}, False),
        ((Role.PUBLISH, "other", ""), {"role": Role.PUBLISH, "room": ""}, False),
        ((Role.PUBLISH, "other", "room"), {"role": Role.PUBLISH, "room": "room"}, True),
        ((Role.PUBLISH, "other", "room"), {"role": Role.PUBLISH, "room": "hall"}, False),
        ((Role.PUBLISH, "other", "room"), {"role": Role.PUBLISH}, False),
        ((Role.PLAY, "other", "room"), {"role": Role.PUBLISH, "room": "room"}, False),
        ((Role.PLAY, "other", "room"), {"role": Role.PLAY, "stream": StreamId("room")}, True),
        ((Role.PUBLISH, "other", "room"), {"role": Role.PLAY, "stream": StreamId("room")}, True),
        ((Role.PLAY, "other", "room"), {"role": Role.PLAY, "stream": StreamId("hall")}, False),
    ],
)
async def test_which_door_a_token_opens(made: tuple[Role, str, str], asked: dict[str, Any], opens: bool) -> None:
    site = Tokens()
    record = await site.made(*made)
    assert await site.opens(applicant(token=record.token_id, **asked)) == opens


async def test_a_record_that_speaks_of_another_app_opens_nothing() -> None:
    site = Tokens()
    record = await site.made()
    bucket = FakeKeyValue()
    elsewhere = msgspec.structs.replace(record, app=AppName("other"))
    await bucket.put(token_key(APP, record.token_id), msgspec.json.encode(elsewhere))
    site.lock = OneTimeTokens(TokenStore(bucket), cast("Grants", site.grants))
    assert not await site.opens(applicant(token=record.token_id))


# ---- codes


class Codes:
    """A store of subscribers, and the lock of their codes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.grants = FakeGrants()
        self.bucket = FakeKeyValue()
        self.store = SubscriberStore(self.bucket)
        self.lock = SubscriberCodes(self.store, cast("Grants", self.grants), self.clock)

    async def registered(self, subscriber: str = "alice", stream: str = STREAM, **fields: Any) -> None:
        await self.store.put(SubscriberRecord(app=APP, stream=StreamId(stream), subscriber_id=subscriber, **fields))

    async def refused(self, applicant: Applicant, settings: AppSettings = TOTP) -> RillcastError | None:
        try:
            await self.lock.ask(applicant, settings)
        except RillcastError as error:
            return error
        return None

    async def opens(self, applicant: Applicant, settings: AppSettings = TOTP) -> bool:
        error = await self.refused(applicant, settings)
        assert error is None or error.code is ErrorCode.UNAUTHORIZED
        return error is None


def code(subscriber: str = "alice", role: Role = Role.PLAY, separator: str = "", period_s: int = 60) -> str:
    secret = SECRET if role is Role.PLAY else "p" * 40
    return code_at(derived_key(secret, subscriber, STREAM, role, separator), NOW_S, period_s)


def own_code(period_s: int = 60) -> str:
    key = key_of(B32)
    assert key is not None
    return code_at(key, NOW_S, period_s)


def shows(code: str, subscriber: str = "alice", **fields: Any) -> Applicant:
    return applicant(fields.pop("role", Role.PLAY), subscriber=subscriber, code=code, **fields)


async def test_a_code_of_the_apps_secret_lets_in_and_a_connection_is_held() -> None:
    site = Codes()
    assert await site.lock.ask(shows(code()), TOTP) == VerifiedIdentity(Proof.SUBSCRIBER, "alice")
    assert site.grants.held == [(SESSION, subscriber_key(APP, STREAM, "alice"))]
    record = site.grants.taken[0].record
    assert isinstance(record, SubscriberRecord)
    assert (record.registered, [hold.session for hold in record.holds]) == (False, [SESSION])


async def test_for_a_mere_question_no_connection_is_held() -> None:
    site = Codes()
    assert await site.opens(shows(code(), session=None))
    assert site.grants.held == []


@pytest.mark.parametrize(
    ("subscriber", "shown", "words"),
    [
        ("", "123456", "are needed to play"),
        ("alice", "", "are needed to play"),
        ("a" * 257, "123456", "no subscriber"),
        ("alice", "000000", "not valid here"),
    ],
)
async def test_what_is_no_code_is_refused_in_words(subscriber: str, shown: str, words: str) -> None:
    error = await Codes().refused(shows(shown, subscriber))
    assert error is not None
    assert words in error.message


async def test_the_codes_of_the_two_roles_are_others() -> None:
    site = Codes()
    assert not await site.opens(shows(code(role=Role.PUBLISH)))
    assert await site.opens(shows(code(role=Role.PUBLISH), role=Role.PUBLISH))


async def test_where_the_app_has_no_secret_only_registered_ones_have_codes() -> None:
    site, without = Codes(), msgspec.structs.replace(TOTP, time_token_secret_for_play="short")
    derived = code_at(derived_key("short", "alice", STREAM, Role.PLAY), NOW_S, 60)
    assert not await site.opens(shows(derived), without)
    await site.registered(b32_secret=B32)
    assert await site.opens(shows(own_code()), without)


@pytest.mark.parametrize(("own_s", "period_s"), [(0, 60), (600, 600)])
async def test_a_registered_one_has_codes_of_its_own_secret_and_period(own_s: int, period_s: int) -> None:
    site = Codes()
    await site.registered(b32_secret=B32, totp_expiry_period_seconds=own_s)
    assert not await site.opens(shows(code()))
    assert await site.opens(shows(own_code(period_s)))


async def test_the_period_of_the_app_holds_for_all_others() -> None:
    slow = msgspec.structs.replace(TOTP, time_token_period=3_600)
    assert await Codes().opens(shows(code(period_s=3_600)), slow)
    assert not await Codes().opens(shows(code()), slow)


@pytest.mark.parametrize(
    ("kind", "opens"), [(None, True), (SubscriberType.PLAY, True), (SubscriberType.PUBLISH, False)]
)
async def test_a_subscriber_may_do_what_its_record_says(kind: SubscriberType | None, opens: bool) -> None:
    site = Codes()
    await site.registered(type=kind)
    assert await site.opens(shows(code())) == opens


@pytest.mark.parametrize(
    ("kind", "until_s", "blocked"),
    [
        (SubscriberType.PLAY, 1, True),
        (SubscriberType.PLAY, 0, False),
        (SubscriberType.PUBLISH, 1, False),
        (SubscriberType.PUBLISH_PLAY, 1, True),
        (None, 1, False),
    ],
)
async def test_who_is_blocked_is_told_so_until_the_time_is_over(
    kind: SubscriberType | None, until_s: int, blocked: bool
) -> None:
    site = Codes()
    await site.registered(blocked_type=kind, blocked_until_ms=(NOW_S + until_s) * 1_000)
    error = await site.refused(shows(code()))
    assert (error is not None and error.code is ErrorCode.USER_BLOCKED) == blocked


async def test_a_wrong_code_of_a_blocked_one_says_nothing_about_the_block() -> None:
    site = Codes()
    await site.registered(blocked_type=SubscriberType.PLAY, blocked_until_ms=(NOW_S + 9) * 1_000)
    error = await site.refused(shows("000000"))
    assert error is not None
    assert error.code is ErrorCode.UNAUTHORIZED


async def test_after_five_wrong_codes_the_right_one_is_not_looked_at_for_a_while() -> None:
    site, locked = Codes(), "rillcast_signaling_guesses_locked_total"
    before = refusals(locked, by="client")
    for _ in range(5):
        assert not await site.opens(shows("000000"))
    error = await site.refused(shows(code()))
    assert error is not None
    assert error.message == "too many wrong codes; try again later"
    assert refusals(locked, by="client") == before + 1
    assert await site.opens(shows(code(), client=Client(address="192.0.2.200")))

    assert error.retry_after_s
    site.clock.advance(error.retry_after_s + 1)
    assert await site.opens(shows(code(), session=None))


class SlowBucket(FakeKeyValue):
    looks = 0

    async def get(self, key: str) -> Entry | None:
        self.looks += 1
        await asyncio.sleep(self.looks)
        return await super().get(key)


async def test_codes_that_are_shown_at_one_time_count_as_well() -> None:
    site = Codes()
    site.store = SubscriberStore(SlowBucket())
    site.lock = SubscriberCodes(site.store, cast("Grants", site.grants), site.clock)
    wrong = [site.opens(shows("000000")) for _ in range(5)]
    assert await asyncio.gather(*wrong, site.opens(shows(code(), session=None))) == [False] * 6


async def test_a_right_code_forgives_the_wrong_ones_before_it() -> None:
    site = Codes()
    for _ in range(3):
        for _ in range(4):
            assert not await site.opens(shows("000000"))
        assert await site.opens(shows(code(), session=None))


async def test_a_store_that_does_not_answer_costs_no_guess() -> None:
    site = Codes()
    site.bucket.available = False
    for _ in range(20):
        error = await site.refused(shows("000000"))
        assert error is not None
        assert error.code is ErrorCode.STORE_UNAVAILABLE
    site.bucket.available = True
    assert await site.opens(shows(code()))


async def test_whose_codes_are_those_of_a_subscriber_of_another_stream_is_refused() -> None:
    """`alices` at `1` and `alice` at `s1` have one text, and so one key."""
    site, ambiguous = Codes(), "rillcast_signaling_ambiguous_subscribers_total"
    await site.registered("alices", stream="1")
    await site.store.load()
    before = refusals(ambiguous, where="admission")
    error = await site.refused(shows(code()))
    assert error is not None
    assert "another subscriber" in error.message
    assert refusals(ambiguous, where="admission") == before + 1

    apart = msgspec.structs.replace(TOTP, time_token_separator="|")
    assert await site.opens(shows(code(separator="|"), session=None), apart)
    await site.registered(b32_secret=B32)
    assert await site.opens(shows(own_code(), session=None))
