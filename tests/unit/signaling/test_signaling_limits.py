"""Limits of streams and viewers at two signaling instances: together they let in as many as one would."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.ids import NodeId
from rillcast.testing.eventually import within
from services.signaling.core.domain.counting_instance import counting_instance
from services.signaling.core.usecases.limit_reservations import LimitReservations
from tests.unit.signaling.fake_nodes import OFFER
from tests.unit.signaling.two_instances import Pair, pair

FIRST, SECOND, THIRD = (NodeId(f"signaling-{n}") for n in (1, 2, 3))
EACH = 50
UNLIMITED = {"unlimited_networks": "127.0.0.0/8"}


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair(**UNLIMITED) as both:
        yield both


async def whep_at_both(c: Pair) -> Counter[int]:
    """A hundred viewers at once, by the status that they were answered."""
    await c.go_live()
    await c.sees(lambda: len(tuple(c.other.core.streams.all())) == 1)
    answers = await asyncio.gather(*(c.whip(1 + n % 2, kind="whep") for n in range(2 * EACH)))
    return Counter(answer.status_code for answer in answers)


def reservations(c: Pair, number: int) -> LimitReservations:
    found = [one for one in c.instance(number).core.admission._asking_checks if isinstance(one, LimitReservations)]
    return found[0]


async def test_a_hundred_viewers_at_once_at_two_instances_are_as_many_as_the_app_may_have(c: Pair) -> None:
    await c.protect(webRTCViewerLimit=40)

    assert await whep_at_both(c) == {201: 40, 503: 60}


async def test_without_a_limit_nobody_is_asked(c: Pair) -> None:
    asked = len(c.other_host.bus.requested)

    assert await whep_at_both(c) == {201: 100}
    assert not [subject for subject, _ in c.other_host.bus.requested[asked:] if "reserve" in subject]


async def test_publishers_at_once_at_two_instances_are_as_many_as_the_app_may_have(c: Pair) -> None:
    await c.protect(ingestingStreamLimit=7)
    headers = {"Content-Type": "application/sdp"}

    async def publish(number: int) -> int:
        async with c._client(1 + number % 2, {}) as http:
            return (await http.post(f"/live/whip/many-{number}", content=OFFER, headers=headers)).status_code

    statuses = await asyncio.gather(*(publish(number) for number in range(40)))
    assert Counter(statuses) == {201: 7, 503: 33}


@pytest.mark.parametrize("number", [1, 2])
async def test_whoever_leaves_at_once_makes_room_at_both_instances(c: Pair, number: int) -> None:
    await c.protect(ingestingStreamLimit=1)
    published = await c.whip(number)
    assert published.status_code == 201
    async with c._client(3 - number, {}) as http:
        headers = {"Content-Type": "application/sdp"}
        assert (await http.post("/live/whip/s2", content=OFFER, headers=headers)).status_code == 503
        await http.delete(published.headers["location"])
        async with c._client(number, {}) as own:
            await own.delete(published.headers["location"])
        async with within(5, "the place of the publisher"):
            while (await http.post("/live/whip/s2", content=OFFER, headers=headers)).status_code != 201:
                await asyncio.sleep(0)
    assert len(reservations(c, 2)) <= 1


async def test_an_instance_that_counts_and_does_not_answer_keeps_nobody_out(c: Pair) -> None:
    await c.protect(webRTCViewerLimit=2)
    await c.go_live()
    await c.sees(lambda: len(tuple(c.other.core.streams.all())) == 1)
    c.host.bus.connected = False

    assert [(await c.whip(2, kind="whep")).status_code for _ in range(3)] == [201, 201, 503]


def test_the_first_by_name_of_those_that_answer_counts() -> None:
    assert counting_instance(SECOND, [THIRD, FIRST], ()) == FIRST
    assert counting_instance(SECOND, [THIRD, FIRST], {FIRST}) == SECOND
    assert counting_instance(SECOND, [], {SECOND}) == SECOND
