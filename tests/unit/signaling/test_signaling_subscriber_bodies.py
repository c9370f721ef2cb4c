"""What the body that registers a subscriber says of a block: it holds, or it is refused in words."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.words import EndReason
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.two_instances import Pair, pair

SUBSCRIBERS = "/live/rest/v2/broadcasts/s1/subscribers"
HOUR_MS = 3_600_000


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        await both.go_live()
        yield both


def now_ms() -> int:
    return int(time.time() * 1_000)


async def said(c: Pair, **fields: object) -> dict[str, object]:
    async with c.at(1) as http:
        answer: dict[str, object] = (await http.post(SUBSCRIBERS, json={"subscriberId": "alice", **fields})).json()
    return answer


async def shown(c: Pair) -> dict[str, object]:
    async with c.at(1) as http:
        (one,) = (await http.get(f"{SUBSCRIBERS}/list/0/10")).json()
    return dict(one)


async def test_a_block_in_the_body_holds_on_all_instances_and_ends_sessions(c: Pair) -> None:
    async with c.client() as client:
        await client.ask("play", streamId="s1", subscriberId="alice")
        session = c.played[-1].session
        until_ms = now_ms() + HOUR_MS

        answer = await said(c, blockedType="play", blockedUntilUnitTimeStampMs=until_ms)

        assert answer["success"], answer
        await c.sees(lambda: c.edge_of(session).closed)
        assert c.edge_of(session).closed[0].reason == EndReason.USER_BLOCKED
    assert {"blockedType": "play", "blockedUntilUnitTimeStampMs": until_ms}.items() <= (await shown(c)).items()
    for number in (1, 2):
        assert (await c.whip(number, kind="whep", subscriberId="alice")).status_code == 403


@pytest.mark.parametrize("fields", [{}, {"blockedType": None, "blockedUntilUnitTimeStampMs": 0}])
async def test_a_body_without_a_block_leaves_the_one_that_there_is(c: Pair, fields: dict[str, object]) -> None:
    await said(c, blockedType="publish_play", blockedUntilUnitTimeStampMs=now_ms() + HOUR_MS)

    assert (await said(c, subscriberName="Alice", **fields))["success"]

    assert (await shown(c))["blockedType"] == "publish_play"
    assert (await c.whip(2, kind="whep", subscriberId="alice")).status_code == 403


async def test_a_block_that_is_past_is_taken_and_blocks_nobody(c: Pair) -> None:
    assert (await said(c, blockedType="play", blockedUntilUnitTimeStampMs=now_ms() - HOUR_MS))["success"]
    assert (await c.whip(1, OFFER, kind="whep", subscriberId="alice")).status_code == 201


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"blockedType": "play"}, "blockedUntilUnitTimeStampMs"),
        ({"blockedUntilUnitTimeStampMs": 9_999_999_999_999}, "blockedType"),
        ({"blockedType": "watch", "blockedUntilUnitTimeStampMs": 9_999_999_999_999}, "blockedType"),
    ],
)
async def test_half_a_block_is_refused_by_what_it_lacks(c: Pair, fields: dict[str, object], named: str) -> None:
    answer = await said(c, **fields)

    assert not answer["success"]
    assert named in str(answer["message"])
    async with c.at(2) as http:
        assert (await http.get(f"{SUBSCRIBERS}/list/0/10")).json() == []


@pytest.mark.parametrize("key", ["b32secret", "blockedUntilUnixTimeStampMs", "blocked_type", "unknown"])
async def test_a_key_that_there_is_not_is_refused_by_its_name(c: Pair, key: str) -> None:
    async with c.at(1) as http:
        answer = await http.post(SUBSCRIBERS, json={"subscriberId": "alice", key: None})
    assert (answer.status_code, key in answer.text) == (400, True)


async def test_what_a_list_shows_can_be_posted_back(c: Pair) -> None:
    await said(c, subscriberName="Alice", type="play", totpExpiryPeriodSeconds=600)
    before = await shown(c)
    assert (await said(c, **before))["success"]
    assert await shown(c) == before
