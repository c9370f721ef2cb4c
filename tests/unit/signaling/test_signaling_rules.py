"""Small decisions of signaling: tokens, digests, waiting, floods, resource names, settings."""

from __future__ import annotations

import asyncio
import random

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.runtime.process.readiness import Readiness
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.kv_secret import wait_for_key
from services.signaling.core.domain.identity import Client, Credentials, credential_digest
from services.signaling.core.domain.tokens import check_stream_token
from services.signaling.websocket.domain.flood_guard import FloodGuard, Verdict
from services.signaling.websocket.domain.frames import flag, height, is_candidate
from services.signaling.websocket.domain.waiting_list import WaitingList
from services.signaling.whip.domain.resource_url import LatestTags, Resource, ResourceSigner

SECRET = "a secret of at least thirty-two bytes"
LIVE, STREAM = AppName("live"), StreamId("s1")


def refused(token: str, now_s: float = 1_000.0) -> str:
    with pytest.raises(RillcastError) as caught:
        check_stream_token(token, SECRET, STREAM, "play", now_s)
    assert caught.value.code is ErrorCode.UNAUTHORIZED
    assert not token or token not in caught.value.message
    return caught.value.message


def signed(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode({"sub": "s1", "type": "play"} | claims, secret, algorithm=algorithm)


@pytest.mark.parametrize("claims", [{}, {"exp": 1_000}, {"nbf": 1_004}, {"exp": 5_000, "streamId": "other"}])
def test_good_tokens_are_taken(claims: dict[str, object]) -> None:
    check_stream_token(signed(claims), SECRET, STREAM, "play", 1_000.0)


def test_a_token_in_ant_medias_shape_is_taken() -> None:
    token = jwt.encode({"streamId": "s1", "type": "play", "exp": 2_000}, SECRET, algorithm="HS256")
    check_stream_token(token, SECRET, STREAM, "play", 1_000.0)


def test_bad_tokens_are_refused_with_a_reason() -> None:
    assert "needed" in refused("")
    assert "not valid here" in refused("x.y.z")
    assert "not valid here" in refused(signed({}, secret="another secret that is long enough too"))
    assert "not valid here" in refused(signed({}, SECRET * 2, "HS512"))
    assert "not valid here" in refused(signed({}, "", "none"))
    assert "not valid here" in refused("x" * 10_000)
    assert "another stream" in refused(signed({"sub": "s2"}))
    assert "does not allow" in refused(signed({"type": "publish"}))
    assert "expired" in refused(signed({"exp": 900}))
    assert "not valid yet" in refused(signed({"nbf": 1_100}))


@given(st.text(max_size=100))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(RillcastError):
        check_stream_token(text, SECRET, STREAM, "play", 0.0)


def test_the_digest_follows_the_credentials_else_the_client() -> None:
    home, away = Client(address="192.0.2.1", user_agent="A"), Client(address="192.0.2.2", user_agent="A")
    token, subscriber = Credentials(token="t"), Credentials(subscriber_id="t")

    def digest(credentials: Credentials, client: Client, stream: StreamId = STREAM) -> str:
        return credential_digest(LIVE, stream, credentials, client)

    assert digest(token, home) == digest(token, away)
    assert digest(Credentials(), home) == digest(Credentials(), home) != digest(Credentials(), away)
    assert len({digest(token, home), digest(subscriber, home), digest(Credentials(), home)}) == 3
    assert digest(token, home) != digest(token, home, StreamId("s2"))


def waiting_list(**changes: float) -> WaitingList:
    return WaitingList(most=3, rate_per_s=2.0, longest_s=changes.get("longest_s", 10.0), rng=random.Random(1))


def test_waiting_viewers_are_told_at_a_bounded_rate_in_order_of_time() -> None:
    waiting = WaitingList(most=1_000, rate_per_s=100.0, longest_s=60.0, rng=random.Random(1))
    for waiter in range(1_000):
        waiting.add("k", waiter)

    told = list(waiting.schedule("k"))

    assert [entry.waiter for entry in told] == list(range(1_000))
    delays = [entry.delay_s for entry in told]
    assert delays == sorted(delays)
    assert all(sum(second <= delay < second + 1 for delay in delays) <= 101 for second in range(10))


def test_however_many_wait_the_last_is_told_in_time() -> None:
    waiting = WaitingList(most=10_000, rate_per_s=1.0, longest_s=20.0, rng=random.Random(1))
    for waiter in range(10_000):
        waiting.add("k", waiter)

    assert max(entry.delay_s for entry in waiting.schedule("k")) <= 20.0


def test_the_waiting_list_is_bounded_and_frees_places() -> None:
    waiting = waiting_list()
    assert [waiting.add("k", n) for n in range(4)] == [True, True, True, False]
    assert waiting.add("k", 1)

    assert waiting.remove("k", 1)
    assert not waiting.remove("k", 1)

    assert waiting.add("other", 9)
    assert waiting.size == 3


def test_a_burst_is_taken_a_flood_is_dropped_and_its_sender_closed() -> None:
    guard = FloodGuard(rate_per_s=1.0, burst=10, now=0.0)

    verdicts = [guard.frame(0.0) for _ in range(21)]

    assert verdicts == [Verdict.TAKE] * 10 + [Verdict.DROP] * 10 + [Verdict.CLOSE]
    assert FloodGuard(1.0, 10, 0.0).frame(5.0) is Verdict.TAKE


def test_a_flood_that_pauses_is_forgiven() -> None:
    guard = FloodGuard(rate_per_s=1.0, burst=10, now=0.0)
    for _ in range(15):
        guard.frame(0.0)

    assert guard.frame(2.0) is Verdict.TAKE
    assert [guard.frame(2.0) for _ in range(3)] == [Verdict.TAKE, Verdict.DROP, Verdict.DROP]


RESOURCE = Resource(role="whip", app=LIVE, stream=STREAM, session=SessionId("a" * 32), node=NodeId("o1"))


def test_a_resource_name_is_read_by_who_has_the_key_only() -> None:
    name = ResourceSigner(b"k" * 32).name(RESOURCE)

    assert ResourceSigner(b"k" * 32).read(name, "whip", "live", "s1") == RESOURCE
    assert ResourceSigner(b"j" * 32).read(name, "whip", "live", "s1") is None
    assert ResourceSigner(b"k" * 32).read(name, "whep", "live", "s1") is None
    assert ResourceSigner(b"k" * 32).read(name, "whip", "live", "s2") is None


@given(st.text(max_size=80))
def test_no_text_is_a_resource_name_or_tag(text: str) -> None:
    signer = ResourceSigner(b"k" * 32)
    assert signer.read(text, "whip", "live", "s1") is None
    assert not signer.is_tag_of(RESOURCE.session, text)


def test_a_tag_belongs_to_one_session_and_the_latest_counts() -> None:
    signer, tags = ResourceSigner(b"k" * 32), LatestTags(most=2)
    first, second = signer.tag(RESOURCE.session, "1"), signer.tag(RESOURCE.session, "2")

    assert signer.is_tag_of(RESOURCE.session, first)
    assert signer.is_tag_of(RESOURCE.session, f"W/{first}")
    assert not signer.is_tag_of(SessionId("b" * 32), first)
    assert not tags.is_outdated(RESOURCE.session, first)
    tags.set(RESOURCE.session, second)
    assert tags.is_outdated(RESOURCE.session, first)
    tags.drop(RESOURCE.session)
    assert not tags.is_outdated(RESOURCE.session, first)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (360, 360),
        (0, 0),
        ("720", 720),
        (" 480 ", 480),
        ("auto", 0),
        ("AUTO", 0),
        (360.0, 360),
        (True, None),
        (-1, None),
        ("x", None),
        ("٣", None),
        (None, None),
        ([], None),
        (float("nan"), None),
        (1e9, None),
    ],
)
def test_heights_are_read_in_every_form_clients_send(sent: object, meant: int | None) -> None:
    assert height(sent) == meant


def test_flags_are_booleans_or_their_words() -> None:
    assert [flag(value) for value in (True, False, "true", "FALSE", 1, None)] == [True, False, True, False, None, None]


@pytest.mark.parametrize(
    ("candidate", "good"),
    [
        ("", True),
        (None, True),
        ("candidate:1 1 udp 1 192.0.2.1 5000 typ host", True),
        ("candidate:1", False),
        ("hello", False),
        (7, False),
        ("candidate:1 1 udp 1 a 5 typ host\r\nx", False),
        ("candidate:" + "1 " * 999, False),
    ],
)
def test_candidates_are_recognised(candidate: object, good: bool) -> None:
    assert is_candidate(candidate) == good


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apps", "live,a/b"),
        ("trusted_proxies", "10.0.0.0/99"),
        ("remote_allowed_cidr", "me"),
        ("region_order", "eu"),
        ("geo_regions", "DE"),
        ("port", 70_000),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        SignalingSettings.model_validate({field: value})
    assert caught.value.errors()[0]["loc"] == (field,)


def test_default_apps() -> None:
    assert SignalingSettings().apps == ["live", "LiveApp", "WebRTCAppEE"]


async def test_a_start_that_waits_for_the_store_can_be_broken_off() -> None:
    store, readiness = FakeKeyValue(), Readiness()
    store.available = False
    waiting = asyncio.create_task(wait_for_key(store, readiness))
    await eventually(lambda: not readiness.ready)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
