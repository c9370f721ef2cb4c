"""Clients that come by a node and not by signaling: what is held for their sessions, and when it is free again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.access_records import TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId, new_session_id
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest, SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from rillcast.runtime.discovery.judging import Gone
from rillcast.testing.eventually import within
from services.signaling.core.usecases import admitted_sessions
from services.signaling.core.usecases.token_store import token_key
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.two_instances import Pair, pair


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        await both.protect(publishTokenControlEnabled=True)
        yield both


async def token(c: Pair) -> str:
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), Role.PUBLISH, int(time.time()) + 600)
    return record.token_id


async def record_of(c: Pair, token_id: str) -> TokenRecord:
    entry = await c.host.buckets[subjects.BUCKET_TOKENS].get(token_key(LIVE, token_id))
    assert entry is not None
    assert entry.value is not None
    return msgspec.json.decode(entry.value, type=TokenRecord)


async def freed(c: Pair, token_id: str) -> TokenRecord:
    async with within(5, "the token being free"):
        while (record := await record_of(c, token_id)).hold is not None:
            await asyncio.sleep(0.01)
    return record


async def admit(c: Pair, token_id: str, session: SessionId | None = None, **fields: Any) -> AdmitAnswer:
    wanted = {"role": Role.PUBLISH, "app": LIVE, "stream": StreamId("s1"), "token": token_id}
    node = None if session is None else c.origin.name
    asked = AdmitRequest(**{**wanted, "session": session, "node": node, **fields})
    return await c.origin.bus.request(subjects.SIGNALING_ADMIT, asked, AdmitAnswer)


async def refused(c: Pair, token_id: str, session: SessionId | None = None, **fields: Any) -> ErrorCode:
    with pytest.raises(RillcastError) as refusal:
        await admit(c, token_id, session, **fields)
    return refusal.value.code


async def says(c: Pair, answer: AdmitAnswer, session: SessionId, state: SessionState) -> None:
    """The node says to the instance that let the session in what has become of it."""
    assert answer.signaling is not None
    reason = EndReason.STOPPED if state is SessionState.CLOSED else None
    event = SessionChanged(session=session, node=c.origin.name, state=state, reason=reason)
    await c.origin.bus.emit(subjects.session_changed(answer.signaling), event)


async def test_a_mere_question_uses_nothing_up(c: Pair) -> None:
    once = await token(c)

    answers = [await admit(c, once) for _ in range(3)]

    assert {answer.signaling for answer in answers} == {None}
    assert (await record_of(c, once)).hold is None


async def test_a_one_time_token_lets_one_session_in_whichever_instance_is_asked(c: Pair) -> None:
    once, first = await token(c), new_session_id()
    answer = await admit(c, once, first)

    assert [await refused(c, once, new_session_id()) for _ in range(4)] == [ErrorCode.UNAUTHORIZED] * 4
    assert (await c.whip(1, once)).status_code == 403
    hold = (await record_of(c, once)).hold
    assert hold is not None
    assert (hold.session, hold.instance) == (first, answer.signaling)
    await c.sees(lambda: answer.signaling in (NodeId("signaling-1"), NodeId("signaling-2")))


async def test_the_token_of_a_session_that_never_connected_is_free_again(c: Pair) -> None:
    once, session = await token(c), new_session_id()
    answer = await admit(c, once, session)

    await says(c, answer, session, SessionState.CLOSED)

    assert not (await freed(c, once)).used_until_ms
    assert (await admit(c, once, new_session_id())).signaling


async def test_the_token_of_a_session_that_ran_is_used_up_when_it_ends(c: Pair) -> None:
    once, session = await token(c), new_session_id()
    answer = await admit(c, once, session)

    await says(c, answer, session, SessionState.CONNECTED)
    await says(c, answer, session, SessionState.CLOSED)

    assert (await freed(c, once)).used_until_ms


async def test_a_session_of_which_nothing_is_heard_is_ended_and_frees_its_token(
    c: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admitted_sessions, "LATE_S", 0.0)
    await c.protect(publishTokenControlEnabled=True, webRTCClientStartTimeoutMs=100)
    once, session = await token(c), new_session_id()
    await admit(c, once, session)

    await freed(c, once)
    await c.sees(lambda: [closed.session for closed in c.origin.closed] == [session])


async def test_when_the_node_is_gone_its_session_is_over(c: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.signaling.core.usecases.grants.MOVE_S", 0.0)
    once, session = await token(c), new_session_id()
    answer = await admit(c, once, session)
    await says(c, answer, session, SessionState.MEDIA)
    grants = c.instance(1 if answer.signaling == "signaling-1" else 2).core.grants
    await c.sees(lambda: grants._held[session].started)

    for host in (c.host, c.other_host):
        host.directory._gone(c.origin.name, Gone.SILENT)

    assert (await freed(c, once)).used_until_ms


async def test_the_limit_of_streams_counts_those_that_come_by_a_node(c: Pair) -> None:
    await c.protect(ingestingStreamLimit=1)
    session = new_session_id()
    answer = await admit(c, "", session)

    assert await refused(c, "", new_session_id(), stream="s2") is ErrorCode.HIGH_RESOURCE_USAGE
    await says(c, answer, session, SessionState.CLOSED)
    async with within(5, "the place of the session"):
        while (await c.whip(1)).status_code != 201:
            await asyncio.sleep(0.01)


async def test_a_viewer_of_a_stream_that_is_not_live_is_told_so(c: Pair) -> None:
    await c.protect(playTokenControlEnabled=True)
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), Role.PLAY, int(time.time()) + 600)

    code = await refused(c, record.token_id, new_session_id(), role=Role.PLAY)

    assert code is ErrorCode.NO_STREAM_EXIST
    assert (await record_of(c, record.token_id)).hold is None


@pytest.mark.parametrize("names_the_session", [True, False])
async def test_a_session_without_its_node_and_a_node_without_a_session_are_refused(
    c: Pair, names_the_session: bool
) -> None:
    session, node = (new_session_id(), None) if names_the_session else (None, NodeId("origin-1"))

    assert await refused(c, await token(c), session, node=node) is ErrorCode.BAD_REQUEST
