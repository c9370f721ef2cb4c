"""Certificates of authorities: when they are ordered, by whom, and what the plain port says meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.http.certificate import KeyPair
from rillcast.runtime.ports import Entry
from rillcast.testing.kv import FakeKeyValue
from services.signaling.tls.adapters.http_challenges import HttpChallenges
from services.signaling.tls.adapters.kv_certificates import CERTIFICATE, PROOFS, TURN, KvCertificates
from services.signaling.tls.domain.plain_http import CHALLENGES, https_address
from services.signaling.tls.domain.renewal import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    ORDER_TAKES_S,
    Turn,
    after_failure,
    is_due,
    next_turn,
)
from services.signaling.tls.ports import AuthorityFault
from tests.unit.signaling.certificate_site import NAMES, FakeOrder, Site

DAY_S = 86_400.0


# ---- when


@pytest.mark.parametrize(
    ("valid_for", "age_days", "due"),
    [
        (NAMES, 1, False),
        (NAMES, 59, False),
        (NAMES, 61, True),
        (NAMES, 91, True),
        (("live.example",), 1, True),
        ((*NAMES, "other.example"), 1, False),
    ],
)
def test_a_certificate_is_replaced_after_two_thirds_of_its_life_or_for_other_names(
    valid_for: tuple[str, ...], age_days: int, due: bool
) -> None:
    assert is_due(NAMES, valid_for, starts_at=0, expires_at=90 * DAY_S, now=age_days * DAY_S) is due


def test_one_instance_orders_at_a_time_and_another_after_it_was_gone_for_long() -> None:
    turn = next_turn(None, "a", 1_000)

    assert turn == Turn("a", 1_000 + ORDER_TAKES_S)
    assert next_turn(turn, "b", 1_000 + ORDER_TAKES_S - 1) is None
    assert next_turn(turn, "b", 1_000 + ORDER_TAKES_S) == Turn("b", 1_000 + 2 * ORDER_TAKES_S)


def test_a_turn_from_a_clock_that_ran_far_ahead_holds_nobody_up() -> None:
    assert next_turn(Turn("a", 1e12), "b", 1_000) is not None


def test_all_wait_after_a_failure_and_longer_each_time() -> None:
    turn, now, waits = next_turn(None, "a", 0.0), 0.0, []
    for _ in range(8):
        assert turn is not None
        wait = after_failure(turn, now)
        waits.append(wait.until - now)
        assert next_turn(wait, "a", wait.until - 1) is next_turn(wait, "b", wait.until - 1) is None
        now = wait.until
        turn = next_turn(wait, "b", now)
    assert waits[0] == FIRST_RETRY_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY_S


# ---- by whom


async def test_what_one_instance_got_all_show() -> None:
    site = Site()

    await site.instances["a"].look()
    await site.instances["b"].look()

    assert site.pair("a") == site.pair("b") == site.authority.issues
    assert len(site.authority.keys) == 1
    assert site.authority.seen == "token.thumbprint"
    assert await site.store.proof("token") is None, "nothing is left for strangers to ask"
    assert await site.store.turn() == (None, 0)


async def test_a_refusal_is_not_repeated_before_its_time_by_any_instance() -> None:
    site = Site()
    site.authority.fault = AuthorityFault("no")

    for _ in range(3):
        await site.instances["a"].look()
        await site.instances["b"].look()
    assert len(site.authority.keys) == 1
    assert await site.store.proof("token") is None

    site.authority.fault = None
    site.now += FIRST_RETRY_S
    await site.instances["b"].look()
    assert site.pair("b") == site.authority.issues
    assert len(set(site.authority.keys)) == 1, "the account stays the same"


async def test_an_instance_that_took_its_turn_and_died_is_replaced_by_itself_or_later_by_another() -> None:
    site = Site()
    await site.store.take_turn(Turn("a", site.now + ORDER_TAKES_S), 0)

    await site.instances["b"].look()
    assert site.authority.keys == []
    await site.instance("a").look()
    assert len(site.authority.keys) == 1


@pytest.mark.parametrize("key", [CERTIFICATE, TURN])
async def test_what_cannot_be_read_in_the_store_is_replaced(key: str) -> None:
    site = Site()
    await site.kv.put(key, b"\xff not json")

    await site.instances["a"].look()

    assert site.pair("a") == site.authority.issues


async def test_a_stored_certificate_that_cannot_be_used_is_replaced() -> None:
    site = Site()
    await site.store.keep(KeyPair(b"no certificate", b"no key"), 0)

    await site.instances["a"].look()

    assert site.pair("a") == site.authority.issues


async def test_a_certificate_that_the_store_did_not_take_is_kept_later_and_not_ordered_again() -> None:
    site = Site()
    finish = FakeOrder.finish

    async def while_the_store_goes_away(order: FakeOrder) -> KeyPair:
        pair = await finish(order)
        site.kv.available = False
        return pair

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeOrder, "finish", while_the_store_goes_away)
        for _ in range(3):
            with pytest.raises(RillcastError):
                await site.instances["a"].look()
    assert site.pair("a") == site.authority.issues, "it is shown meanwhile"

    site.kv.available = True
    await site.instances["a"].look()
    await site.instances["b"].look()
    assert site.pair("b") == site.authority.issues
    assert len(site.authority.keys) == 1


async def test_a_store_that_fails_in_an_order_does_not_make_order_follow_order() -> None:
    site = Site()
    order = site.authority.order

    async def and_the_store_goes_away(account_key: bytes, names: Sequence[str]) -> FakeOrder:
        ordered = await order(account_key, names)
        site.kv.available = False
        return ordered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site.authority, "order", and_the_store_goes_away)
        with pytest.raises(RillcastError):
            await site.instances["a"].look()
    site.kv.available = True
    for _ in range(3):
        await site.instances["a"].look()
    assert len(site.authority.keys) == 1

    site.now += FIRST_RETRY_S
    await site.instances["a"].look()
    assert site.pair("a") == site.authority.issues


# ---- how the authority is answered


async def test_every_instance_answers_the_authority_and_nobody_learns_more() -> None:
    store = KvCertificates(FakeKeyValue())
    await store.publish({"abc": "abc.thumbprint"})
    app = Starlette(routes=[Route(CHALLENGES + "{token}", HttpChallenges(store).answer)])
    client = TestClient(app)

    assert client.get(CHALLENGES + "abc").text == "abc.thumbprint"
    for token in ("abd", "..", "a.b", "x" * 129, "%00"):
        assert client.get(CHALLENGES + token).status_code == 404


async def test_an_authority_is_answered_beside_a_hundred_requests_of_one_address() -> None:
    class Slow(FakeKeyValue):
        asked = asyncio.Event()

        async def get(self, key: str) -> Entry | None:
            await self.asked.wait()
            return await super().get(key)

    bucket = Slow()
    store = KvCertificates(bucket)
    await bucket.put(PROOFS, b'{"abc": "abc.thumbprint"}')
    challenges = HttpChallenges(store)

    def ask(host: str, token: str) -> asyncio.Task[Response]:
        scope = {"type": "http", "client": (host, 1), "path_params": {"token": token}}
        return asyncio.create_task(challenges.answer(Request(scope)))

    flood = [ask("203.0.113.9", "none") for _ in range(100)]
    await asyncio.sleep(0)
    authority = ask("198.51.100.1", "abc")
    await asyncio.sleep(0)
    bucket.asked.set()

    assert (await authority).body == b"abc.thumbprint"
    assert Counter([(await answer).status_code for answer in flood]) == {404: 10, 503: 90}
    assert len(challenges._places) == 0


async def test_the_authority_is_told_to_come_again_while_the_store_is_away() -> None:
    bucket = FakeKeyValue()
    bucket.available = False
    app = Starlette(routes=[Route(CHALLENGES + "{token}", HttpChallenges(KvCertificates(bucket)).answer)])

    answer = TestClient(app).get(CHALLENGES + "abc")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


# ---- the plain port


@pytest.mark.parametrize(
    ("host", "port", "path", "query", "address"),
    [
        ("live.example", 443, "/", "", "https://live.example/"),
        ("live.example:5080", 5443, "/live/", "id=a", "https://live.example:5443/live/?id=a"),
        ("192.0.2.7:5080", 443, "/a b/ü", "", "https://192.0.2.7/a%20b/%C3%BC"),
        ("[2001:db8::7]:80", 5443, "/", "", "https://[2001:db8::7]:5443/"),
        ("", 443, "/", "", None),
        ("live.example/evil", 443, "/", "", None),
        ("user@evil.example", 443, "/", "", None),
        ("live.example\r\nx: y", 443, "/", "", None),
    ],
)
def test_the_same_resource_by_https(host: str, port: int, path: str, query: str, address: str | None) -> None:
    assert https_address(host, port, path, query) == address


@given(st.text(max_size=40), st.text(max_size=60))
def test_no_host_and_no_path_breaks_out_of_the_header(host: str, path: str) -> None:
    address = https_address(host, 5443, "/" + path, "")

    if address is not None:
        assert address.isascii()
        assert not set(address) & set(' \r\n"<>\\')
        assert address.startswith((f"https://{host.rpartition(':')[0] or host}", f"https://{host}"))
