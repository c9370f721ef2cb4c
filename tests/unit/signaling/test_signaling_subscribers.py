"""Subscribers: codes, connections and blocks, on two signaling instances, and their REST."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.words import EndReason, Role, SessionState
from services.signaling.core.domain.totp import code_at, derived_key, key_of
from services.signaling.core.usecases.subscriber_store import SubscriberStore, subscriber_key
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.two_instances import Pair, pair

SECRET = "a secret of at least thirty-two bytes"
B32 = "JBSWY3DPEHPK3PXP"
SUBSCRIBERS = "/live/rest/v2/broadcasts/s1/subscribers"


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        await both.protect(
            enableTimeTokenForPublish=True,
            enableTimeTokenForPlay=True,
            timeTokenSecretForPublish=SECRET,
            timeTokenSecretForPlay=SECRET,
        )
        await both.go_live()
        yield both


def code(subscriber: str, role: Role = Role.PLAY) -> str:
    return code_at(derived_key(SECRET, subscriber, StreamId("s1"), role), time.time(), 60)


def own_code(b32: str = B32, period_s: int = 60) -> str:
    key = key_of(b32)
    assert key is not None
    return code_at(key, time.time(), period_s)


async def watch(c: Pair, number: int, subscriber: str, shown: str | None = None) -> httpx.Response:
    shown = code(subscriber) if shown is None else shown
    return await c.whip(number, kind="whep", subscriberId=subscriber, subscriberCode=shown)


async def registers(c: Pair, **fields: object) -> None:
    async with c.at(1) as http:
        answer = (await http.post(SUBSCRIBERS, json=fields)).json()
    assert answer["success"], answer


async def test_a_code_of_the_apps_secret_lets_in_and_nothing_else_does(c: Pair) -> None:
    assert (await watch(c, 1, "alice")).status_code == 201
    for subscriber, shown in (("bob", "000000"), ("bob", ""), ("", "123456"), ("b" * 300, "123456"), ("bob", "x" * 99)):
        assert (await watch(c, 1, subscriber, shown)).status_code in (401, 403)
    assert (await watch(c, 1, "carol", code("carol", Role.PUBLISH))).status_code == 403
    assert (await watch(c, 1, "carol", code("dave"))).status_code == 403


async def test_a_publisher_shows_its_code_by_websocket(c: Pair) -> None:
    async with c.client() as client:
        shown = {"subscriberId": "alice", "subscriberCode": code("alice", Role.PUBLISH)}
        started = await client.ask("publish", streamId="s2", **shown)
        assert started["definition"] == "unauthorized_access", "the code is for s1"
        assert (await client.ask("publish", streamId="s1", **shown))["command"] == "start"


async def test_a_code_lets_in_only_as_many_as_the_subscriber_may_have_connections(c: Pair) -> None:
    answers = await asyncio.gather(*(watch(c, 1 + number % 2, "alice") for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403, 403, 403]

    await registers(c, subscriberId="busy", b32Secret=B32, type="play", concurrentConnectionsLimit=3)
    answers = await asyncio.gather(*(watch(c, 1 + number % 2, "busy", own_code()) for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 403, 403, 403]


async def test_a_connection_that_ends_makes_room(c: Pair) -> None:
    async with c.client() as client:
        offered = await client.ask("play", streamId="s1", subscriberId="alice", subscriberCode=code("alice"))
        assert offered["type"] == "offer"
        assert (await watch(c, 2, "alice")).status_code == 403
    await c.sees(lambda: not len(c.service.core.grants))
    await c.service.core.tasks.settle(5.0)
    assert (await watch(c, 2, "alice")).status_code == 201


async def test_who_nobody_registered_is_forgotten_with_its_last_connection(c: Pair) -> None:
    bucket = c.host.buckets[subjects.BUCKET_SUBSCRIBERS]
    assert (await watch(c, 1, "alice")).status_code == 201
    assert await bucket.get(subscriber_key(LIVE, StreamId("s1"), "alice"))
    session = c.played[-1].session
    await c.edge_of(session).tell(session, state=SessionState.CLOSED, reason=EndReason.CONSENT_EXPIRED)
    await c.sees(lambda: not len(c.service.core.grants))
    await c.service.core.tasks.settle(5.0)
    assert await bucket.get(subscriber_key(LIVE, StreamId("s1"), "alice")) is None


async def test_a_registered_subscriber_shows_codes_of_its_own_secret_and_period(c: Pair) -> None:
    await registers(c, subscriberId="alice", b32Secret=B32, type="play", totpExpiryPeriodSeconds=600)

    assert (await watch(c, 2, "alice", own_code(period_s=600))).status_code == 201
    assert (await watch(c, 2, "alice", code("alice"))).status_code == 403


async def test_a_subscriber_may_do_what_its_type_says(c: Pair) -> None:
    await registers(c, subscriberId="alice", b32Secret=B32, type="publish", totpExpiryPeriodSeconds=600)
    shown = {"subscriberId": "alice", "subscriberCode": own_code(period_s=600)}

    assert (await c.whip(1, kind="whep", **shown)).status_code == 403
    assert (await c.whip(1, **shown)).status_code == 201


async def test_guesses_are_not_even_looked_at_after_some_wrong_ones(c: Pair) -> None:
    for _ in range(5):
        assert (await watch(c, 1, "alice", "000000")).status_code == 403
    locked = await watch(c, 1, "alice")
    assert locked.status_code == 403
    assert "too many wrong codes" in locked.text
    assert int(locked.headers["retry-after"]) >= 30
    assert (await watch(c, 1, "bob")).status_code == 201, "others are not locked out"


async def test_guesses_at_the_same_time_are_counted_as_well(c: Pair) -> None:
    wrong = [f"{number:06}" for number in range(200)]
    answers = await asyncio.gather(*(watch(c, 1, "alice", shown) for shown in wrong))
    looked_at = [answer for answer in answers if "too many" not in answer.text]
    assert len(looked_at) <= 5


async def test_a_blocked_subscriber_is_sent_away_wherever_it_is_and_stays_out(c: Pair) -> None:
    async with c.client() as client:
        await client.ask("play", streamId="s1", subscriberId="alice", subscriberCode=code("alice"))
        session = c.played[-1].session
        edge = c.edge_of(session)
        async with c.at(2) as http:
            answer = (await http.put(f"{SUBSCRIBERS}/alice/block/60/play")).json()
        assert answer["success"]

        await c.sees(lambda: edge.closed)
        assert (edge.closed[0].session, edge.closed[0].reason) == (session, EndReason.USER_BLOCKED)
        assert edge.closed[0].forgotten_by is None, "the client would hear nothing of the end"
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.USER_BLOCKED)
        assert (await client.receive())["definition"] == "user_blocked"

        again = await client.ask("play", streamId="s1", subscriberId="alice", subscriberCode=code("alice"))
        assert again["definition"] == "user_blocked"
    for number in (1, 2):
        assert (await watch(c, number, "alice")).status_code == 403
    async with c.at(1) as http:
        assert (await http.put(f"{SUBSCRIBERS}/alice/block/0/play")).json()["success"]
    assert (await watch(c, 2, "alice")).status_code == 201


async def test_who_is_being_let_in_while_it_is_blocked_does_not_stay(c: Pair) -> None:
    for edge in c.edges:
        edge.held = asyncio.Event()
    joining = asyncio.create_task(watch(c, 1, "alice"))
    await c.sees(lambda: c.played)
    async with c.at(2) as http:
        await http.put(f"{SUBSCRIBERS}/alice/block/60/publish_play")
    await c.sees(lambda: c.service.core.subscribers.known(LIVE, StreamId("s1"), "alice").blocked_type)  # type: ignore[union-attr]
    for edge in c.edges:
        edge.held.set()  # type: ignore[union-attr]
    await joining
    await c.sees(lambda: any(edge.closed for edge in c.edges))


async def test_a_block_also_ends_sessions_whose_instance_is_gone(c: Pair) -> None:
    assert (await watch(c, 2, "alice")).status_code == 201
    session = c.played[-1].session
    await c.other.core.tasks.settle(5.0)
    c.other_dies()
    for task in c.other_host._tasks:
        task.cancel()

    async with c.at(1) as http:
        await http.put(f"{SUBSCRIBERS}/alice/block/60/play")

    await c.sees(lambda: [request.session for request in c.edge_of(session).closed] == [session])


async def test_in_an_app_without_codes_a_block_counts_for_who_says_that_it_is_the_subscriber(c: Pair) -> None:
    await c.protect()
    assert (await watch(c, 1, "alice", "")).status_code == 201
    session = c.played[-1].session
    async with c.at(2) as http:
        await http.put(f"{SUBSCRIBERS}/alice/block/60/play")

    await c.sees(lambda: [request.session for request in c.edge_of(session).closed] == [session])
    blocked = await watch(c, 1, "alice", "")
    assert blocked.status_code == 403
    assert "at present" in blocked.text
    assert (await c.whip(1, subscriberId="alice")).status_code == 201, "it is blocked from playing only"


async def test_while_the_store_is_away_nobody_comes_in(c: Pair) -> None:
    c.host.buckets[subjects.BUCKET_SUBSCRIBERS].available = False
    assert (await watch(c, 1, "alice")).status_code == 503
    c.host.buckets[subjects.BUCKET_SUBSCRIBERS].available = True
    assert (await watch(c, 1, "alice")).status_code == 201


async def test_a_record_that_makes_no_sense_lets_nobody_in(c: Pair) -> None:
    bucket = c.host.buckets[subjects.BUCKET_SUBSCRIBERS]
    await bucket.put(subscriber_key(LIVE, StreamId("s1"), "alice"), b'{"app": "live"')
    assert (await watch(c, 1, "alice")).status_code == 503


@pytest.mark.parametrize(
    ("b32", "bits"),
    [("JBSWY3DP", 40), (B32, 80), ("JBSWY3DPEHPK3PXPJBSWY3DP", 120), ("JBSWY3DPEHPK3PX=", 72), (2 * B32, None)],
)
async def test_a_short_secret_is_taken_as_ant_media_takes_it_and_told_of(
    c: Pair, caplog: pytest.LogCaptureFixture, b32: str, bits: int | None
) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("rillcast_signaling_short_subscriber_secrets_total") or 0.0

    before = counted()
    async with c.at(1) as http:
        answer = (await http.post(SUBSCRIBERS, json={"subscriberId": "alice", "b32Secret": b32})).json()

    assert (answer["success"], answer["message"]) == (True, "")
    assert counted() - before == (bits is not None)
    said = [vars(line)["rillcast_fields"] for line in caplog.records if "secret of a subscriber" in line.getMessage()]
    assert [fields["bits"] for fields in said] == ([] if bits is None else [bits])
    assert b32 not in str(said)
    assert (await watch(c, 1, "alice", own_code(b32))).status_code == 201


async def test_more_subscribers_than_are_kept_are_refused(c: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.signaling.core.usecases.subscriber_store.MAX_SUBSCRIBERS_OF_APP", 2)
    assert [(await watch(c, 1, name)).status_code for name in ("one", "two", "three")] == [201, 201, 503]


async def test_rest_answers_as_ant_media_does(c: Pair) -> None:
    async with c.at(1) as http:
        missing = [(await http.post(SUBSCRIBERS, json=body)).json() for body in ({}, {"subscriberId": "ab"})]
        nothing = (await http.post(SUBSCRIBERS)).json()
        bad = (await http.post(SUBSCRIBERS, json={"subscriberId": "usr1", "b32Secret": "JBSWY3D"})).json()
        junk = (await http.post(SUBSCRIBERS, json={"subscriberId": "usr1", "type": "junk"})).json()
        added = (
            await http.post(SUBSCRIBERS, json={"subscriberId": "usr 9/<", "b32Secret": B32, "type": "play"})
        ).json()
        again = (await http.post(SUBSCRIBERS, json={"subscriberId": "usr1", "b32Secret": B32})).json()
        listed = (await http.get(f"{SUBSCRIBERS}/list/0/10")).json()
        totp = (await http.get(f"{SUBSCRIBERS}/usr1/totp?type=play")).json()
        events = await http.get("/live/rest/v2/broadcasts/s1/connection-events/0/10")
        wrong_block = (await http.put(f"{SUBSCRIBERS}/usr1/block/60/all")).json()
        deleted = [(await http.delete(f"{SUBSCRIBERS}/usr1")).json()["success"] for _ in range(2)]
        revoked = (await http.delete(SUBSCRIBERS)).json()
        after = (await http.get(f"{SUBSCRIBERS}/list/0/10")).json()

    assert {answer["message"] for answer in (*missing, nothing)} == {
        "Missing parameter: Make sure you set subscriber object correctly and make subscriberId's length at least 3"
    }
    assert "multiple of 8" in bad["message"]
    assert [answer["success"] for answer in (bad, wrong_block, junk, added, again)] == [False, False, True, True, True]
    assert [one["subscriberId"] for one in listed] == ["usr 9/<", "usr1"]
    assert [one["type"] for one in listed] == ["play", None], "anything but the three words is none"
    assert B32 not in str(listed)
    assert listed[0] | {"subscriberName": None} == {
        "subscriberId": "usr 9/<",
        "subscriberName": None,
        "streamId": "s1",
        "type": "play",
        "connected": False,
        "currentConcurrentConnections": 0,
        "concurrentConnectionsLimit": 1,
        "blockedType": None,
        "blockedUntilUnitTimeStampMs": 0,
        "registeredNodeIp": None,
        "avgVideoBitrate": 0,
        "avgAudioBitrate": 0,
        "totpExpiryPeriodSeconds": 60,
    }
    assert totp["dataId"] in {own_code(), code_at(key_of(B32) or b"", time.time() - 60, 60)}
    assert (events.status_code, events.json()) == (200, []), "the app keeps none"
    assert deleted == [True, False]
    assert revoked["success"]
    assert after == []


@pytest.mark.parametrize("stream", ["%25", "a%20b", "%C3%A9", "x" * 300])
async def test_what_is_no_stream_has_no_subscribers(c: Pair, stream: str) -> None:
    root = f"/live/rest/v2/broadcasts/{stream}/subscribers"
    async with c.at(1) as http:
        answers = [
            await http.delete(f"{root}/alice"),
            await http.get(f"{root}/alice/totp?type=play"),
            await http.put(f"{root}/alice/block/60/play"),
            await http.post(root, json={"subscriberId": "alice"}),
        ]
    assert all(answer.status_code in (200, 404) for answer in answers)
    assert not [answer for answer in answers if answer.status_code == 200 and answer.json()["success"]]


async def test_a_code_for_nobody_is_said_to_be_impossible(c: Pair) -> None:
    await c.protect(enableTimeTokenForPlay=True)
    async with c.at(1) as http:
        answer = (await http.get(f"{SUBSCRIBERS}/nobody/totp?type=play")).json()
    assert answer["message"].startswith("Secret is not set in AppSettings.")
    assert (await watch(c, 1, "nobody", code_at(b"", time.time(), 60))).status_code == 403


# ---- ids that can be read in two ways

NAMESAKES = [("eve", "show-1"), ("eveshow-", "1")]
"""Subscriber and stream of two who have the same codes of the app's secret, as with Ant Media."""


def ambiguous(where: str) -> float:
    return REGISTRY.get_sample_value("rillcast_signaling_ambiguous_subscribers_total", {"where": where}) or 0.0


async def asks(c: Pair, subscriber: str, stream: str, *, separator: str = "") -> int:
    shown = code_at(derived_key(SECRET, subscriber, StreamId(stream), Role.PLAY, separator), time.time(), 60)
    async with c.stranger(params={"subscriberId": subscriber, "subscriberCode": shown}) as http:
        headers = {"Content-Type": "application/sdp"}
        return (await http.post(f"/live/whep/{stream}", content=OFFER, headers=headers)).status_code


async def adds(c: Pair, subscriber: str, stream: str, **fields: object) -> str:
    async with c.at(1) as http:
        path = f"/live/rest/v2/broadcasts/{stream}/subscribers"
        answer = (await http.post(path, json={"subscriberId": subscriber, **fields})).json()
    return "" if answer["success"] else str(answer["message"])


@pytest.mark.parametrize("order", [NAMESAKES, NAMESAKES[::-1]])
async def test_two_with_the_same_codes_are_not_both_registered(c: Pair, order: list[tuple[str, str]]) -> None:
    first, second = order
    before = [ambiguous(where) for where in ("registration", "code", "admission")]
    for stream in ("1", "show-1"):
        await c.go_live(stream)

    assert await adds(c, *first) == ""
    assert "one after the other" in await adds(c, *second)
    async with c.at(1) as http:
        root = f"/live/rest/v2/broadcasts/{second[1]}/subscribers"
        handed = (await http.get(f"{root}/{second[0]}/totp?type=play")).json()
    assert (handed["success"], "one after the other" in handed["message"]) == (False, True)
    assert await asks(c, *second) == 403, "nor does it come in unregistered"
    assert await asks(c, *first) == 201
    assert await adds(c, *first, concurrentConnectionsLimit=2) == "", "it may be changed"
    assert await adds(c, *second, b32Secret=B32) == "", "with a secret of its own it is another one"
    assert [ambiguous(where) for where in ("registration", "code", "admission")] == [n + 1 for n in before]


async def test_with_a_separator_codes_are_of_one_subscriber_and_one_stream(c: Pair) -> None:
    await c.protect(enableTimeTokenForPlay=True, timeTokenSecretForPlay=SECRET, timeTokenSeparator="/")
    for subscriber, stream in NAMESAKES:
        await c.go_live(stream)
        assert await adds(c, subscriber, stream) == ""
        assert await asks(c, subscriber, stream) == 403, "codes as Ant Media makes them are not taken"
        assert await asks(c, subscriber, stream, separator="/") == 201


async def test_a_separator_is_no_letter_of_a_stream_id(c: Pair) -> None:
    async with c.at(1) as http:
        path = "/rest/v2/applications/settings/live"
        answers = [await http.post(path, json={"timeTokenSeparator": one}) for one in ("-", "x", "//", "/")]
    assert [answer.json()["success"] for answer in answers] == [False, False, False, True]


async def test_an_app_without_such_codes_registers_whom_it_likes(c: Pair) -> None:
    await c.protect()
    assert [await adds(c, *one) for one in NAMESAKES] == ["", ""]


async def test_a_listener_hears_of_changes_by_others() -> None:
    async with pair() as both:
        store: SubscriberStore = both.other.core.subscribers
        heard: list[str] = []
        store.on_change(lambda record: heard.append(record.subscriber_id))
        await both.service.core.subscribers.block(AppName("live"), StreamId("s1"), "alice", kind=None, until_ms=0)
        await both.sees(lambda: heard)
