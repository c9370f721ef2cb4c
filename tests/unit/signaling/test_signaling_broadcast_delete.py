"""Deleting a broadcast by REST: the answer says what was done, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import SessionId, StreamId, stream_key
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import Cluster, cluster

ROOT = "/live/rest/v2/broadcasts"
STOPPED = (200, True, "broadcast is deleted and stopped successfully")
DELETED = (200, True, "broadcast is deleted but could not stopped ")
UNKNOWN = (200, False, "")


@pytest.fixture
async def c() -> AsyncIterator[Cluster]:
    async with cluster() as running:
        yield running


async def create(c: Cluster) -> None:
    async with c.http() as http:
        assert (await http.post(f"{ROOT}/create", json={"streamId": "s1"})).status_code == 200


async def delete(c: Cluster) -> tuple[int, bool, str]:
    async with c.http() as http:
        return told(await http.delete(f"{ROOT}/s1"))


def told(answer: httpx.Response) -> tuple[int, bool, str]:
    return answer.status_code, answer.json()["success"], answer.json()["message"]


async def is_kept(c: Cluster) -> bool:
    """Whether what was set for the broadcast is still there."""
    entry = await c.host.buckets[subjects.BUCKET_BROADCASTS].get(stream_key(LIVE, StreamId("s1")))
    return entry is not None and entry.value is not None


@pytest.mark.parametrize("created", [True, False])
async def test_a_live_broadcast_is_stopped_and_forgotten(c: Cluster, created: bool) -> None:
    if created:
        await create(c)
    await c.go_live("s1")

    assert await delete(c) == STOPPED
    assert [(closed.session, closed.reason) for closed in c.origin.closed] == [("p", "stopped")]
    assert not await is_kept(c)


async def test_a_broadcast_that_is_not_live_is_forgotten_and_there_was_nothing_to_stop(c: Cluster) -> None:
    await create(c)

    assert await delete(c) == DELETED
    assert await delete(c) == UNKNOWN


@pytest.mark.parametrize(("created", "answer"), [(True, DELETED), (False, UNKNOWN)])
async def test_a_stream_that_its_origin_does_not_know_any_more_was_not_stopped(
    c: Cluster, created: bool, answer: tuple[int, bool, str]
) -> None:
    if created:
        await create(c)
    await c.go_live("s1")
    c.origin.sessions.clear()

    assert await delete(c) == answer


async def test_a_publisher_that_has_just_come_back_with_another_session_is_sent_away_too(c: Cluster) -> None:
    await c.go_live("s1")
    c.origin.sessions = {SessionId("p2")}
    deleting = asyncio.create_task(delete(c))
    await c.sees(lambda: c.origin.closed)
    await c.go_live("s1", publisher_session=SessionId("p2"))

    assert await deleting == STOPPED
    assert [closed.session for closed in c.origin.closed] == ["p", "p2"]


async def test_an_origin_that_does_not_answer_is_a_refusal_after_which_nothing_has_changed(c: Cluster) -> None:
    await create(c)
    await c.go_live("s1")
    c.origin.bus.connected = False

    refused = await delete(c)
    kept = await is_kept(c)
    c.origin.bus.connected = True

    assert (refused[:2], kept) == ((503, False), True)
    assert refused[2]
    assert await delete(c) == STOPPED


async def test_of_two_who_delete_a_live_broadcast_at_once_one_has_stopped_it(c: Cluster) -> None:
    await create(c)
    await c.go_live("s1")

    answers = await asyncio.gather(delete(c), delete(c))

    assert answers.count(STOPPED) == 1
    assert len([answer for answer in answers if answer in (DELETED, UNKNOWN)]) == 1


@pytest.mark.parametrize(("created", "live"), [(True, False), (False, False), (False, True)])
async def test_whoever_waits_for_the_stream_is_sent_away_too(c: Cluster, created: bool, live: bool) -> None:
    if created:
        await create(c)
    if live:
        await c.go_live("s1")
    c.origin.newcomers = {StreamId("s1"), StreamId("s2")}

    assert await delete(c) == STOPPED
    assert c.origin.newcomers == {"s2"}
