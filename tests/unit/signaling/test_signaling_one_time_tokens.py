"""One-time tokens on two signaling instances: by WebSocket, WHIP and WHEP, used, lost and found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.access_records import TokenRecord
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from rillcast.testing.eventually import within
from services.signaling.core.domain.holds import GRACE_MS
from services.signaling.core.usecases.grants import RETURN_S
from services.signaling.core.usecases.token_store import token_key
from tests.unit.signaling.fake_nodes import LIVE, OFFER
from tests.unit.signaling.two_instances import Pair, pair


@pytest.fixture
async def c() -> AsyncIterator[Pair]:
    async with pair() as both:
        await both.protect(publishTokenControlEnabled=True, playTokenControlEnabled=True)
        yield both


async def token(c: Pair, role: Role = Role.PUBLISH, life_s: int = 600, room: str = "") -> str:
    record = await c.service.core.tokens.create(LIVE, StreamId("s1"), role, int(time.time()) + life_s, room)
    return record.token_id


async def stored(c: Pair, token_id: str) -> TokenRecord | None:
    entry = await c.host.buckets[subjects.BUCKET_TOKENS].get(token_key(LIVE, token_id))
    return msgspec.json.decode(entry.value, type=TokenRecord) if entry is not None and entry.value else None


async def is_free(c: Pair, token_id: str) -> None:
    async with within(5, "the token being free"):
        while True:
            record = await stored(c, token_id)
            if record is not None and record.hold is None:
                return
            await asyncio.sleep(0)


async def closes(c: Pair, session: SessionId, signaling: str, reason: EndReason = EndReason.STOPPED) -> None:
    event = SessionChanged(session=session, node=c.origin.name, state=SessionState.CLOSED, reason=reason)
    await c.origin.bus.emit(subjects.session_changed(NodeId(signaling)), event)


async def test_without_a_token_nobody_comes_in_by_any_protocol(c: Pair) -> None:
    await c.go_live()
    answers = [await c.whip(1), await c.whip(2, "invented"), await c.whip(1, kind="whep")]
    async with c.client() as client:
        published = await client.ask("publish", streamId="s1", token="invented")
        played = await client.ask("play", streamId="s1", token="")

    assert [answer.status_code for answer in answers] == [401, 403, 401]
    assert [published["definition"], played["definition"]] == ["unauthorized_access"] * 2
    assert not c.origin.published
    assert not c.played


async def test_a_token_is_good_once_for_its_stream_and_role(c: Pair) -> None:
    publishing = await token(c)
    await c.go_live()

    assert (await c.whip(1, publishing, kind="whep")).status_code == 403
    assert (await c.whip(1, publishing)).status_code == 201
    assert (await c.whip(2, publishing)).status_code == 403
    assert (await c.whip(1, await token(c, life_s=-1))).status_code == 403


async def test_two_joins_at_once_at_two_instances_never_both_get_in(c: Pair) -> None:
    for _ in range(20):
        shared = await token(c)
        answers = await asyncio.gather(*(c.whip(1 + number % 2, shared) for number in range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 403, 403, 403]


async def test_a_join_that_no_node_takes_does_not_lose_the_token(c: Pair) -> None:
    once = await token(c)
    c.origin.refusal = RillcastError(ErrorCode.STREAM_ID_IN_USE, "somebody else has it")
    assert (await c.whip(1, once)).status_code == 409
    await is_free(c, once)

    c.origin.refusal = None
    assert (await c.whip(2, once)).status_code == 201


async def test_a_body_that_is_no_offer_does_not_lose_the_token(c: Pair) -> None:
    once = await token(c)
    async with c.stranger(headers={"Authorization": f"Bearer {once}"}) as http:
        answer = await http.post("/live/whip/s1", content="nonsense")
    assert answer.status_code == 415
    await is_free(c, once)
    assert (await c.whip(1, once)).status_code == 201


async def test_a_publisher_that_never_offers_gives_the_token_back(c: Pair) -> None:
    once = await token(c)
    async with c.client() as client:
        assert (await client.ask("publish", streamId="s1", token=once))["command"] == "start"
        assert (await c.whip(2, once)).status_code == 403
    await is_free(c, once)
    assert (await c.whip(2, once)).status_code == 201


async def test_after_its_session_a_client_may_come_back_at_another_instance_and_then_it_is_over(
    c: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = await token(c)
    async with c.client() as client:
        session = await client.publish(c, token=once)
        await c.origin.tell(session, state=SessionState.MEDIA)
        assert (await client.receive())["definition"] == "publish_started"
    await is_free(c, once)
    record = await stored(c, once)
    assert record is not None
    assert record.used_until_ms > time.time() * 1_000

    back = await c.whip(2, once)
    assert back.status_code == 201
    again = c.origin.published[-1].session
    await c.other.core.tasks.settle(5.0)
    c.other.core.joins.connected(again)
    await closes(c, again, "signaling-2")
    await is_free(c, once)

    later = time.time() + GRACE_MS / 1_000 + 1
    monkeypatch.setattr(c.service.core.grants, "_wall_clock", lambda: later)
    assert (await c.whip(1, once)).status_code == 403


async def test_a_publisher_that_moves_takes_its_token_along_and_uses_none_again(c: Pair) -> None:
    once = await token(c)
    async with c.client() as client:
        session = await client.publish(c, token=once)
        await c.origin.tell(session, state=SessionState.MEDIA)
        await client.receive()
        before = await stored(c, once)
        await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.DRAINING)
        assert (await client.receive())["type"] == "offer"
        (asked,) = c.origin.moved_in
        await client.send("takeConfiguration", streamId="s1", type="answer", sdp=OFFER)
        await c.sees(lambda: c.origin.answers)
        await c.origin.tell(asked.session, state=SessionState.MEDIA)
        await c.sees(lambda: session not in c.service.core.grants and asked.session in c.service.core.grants)
        await c.service.core.tasks.settle(5.0)

        held = await stored(c, once)
        assert before is not None and before.hold is not None
        assert held is not None and held.hold is not None
        assert (held.hold.session, held.hold.media_node) == (asked.session, c.origin.name)
        assert held.hold.since_ms == before.hold.since_ms
        assert (await c.whip(2, once)).status_code == 403
    await is_free(c, once)


async def test_a_token_that_is_done_is_forgotten_and_one_in_use_is_kept(c: Pair) -> None:
    in_use, expired, fresh = await token(c), await token(c, life_s=-10), await token(c)
    assert (await c.whip(1, in_use)).status_code == 201
    core = c.service.core

    await core.tokens.sweep(core.grants.alive, core.grants.now_ms())

    assert [await stored(c, one) is not None for one in (in_use, expired, fresh)] == [True, False, True]
    assert len(core.tokens.of_stream(LIVE, StreamId("s1"))) == 2


async def test_when_an_instance_dies_its_clients_come_back_with_the_same_token(c: Pair) -> None:
    once = await token(c)
    assert (await c.whip(2, once)).status_code == 201
    first = c.origin.published[-1].session
    await c.other.core.tasks.settle(5.0)
    assert (await c.whip(1, once)).status_code == 403

    c.other_dies()

    assert (await c.whip(1, once)).status_code == 201
    await c.sees(lambda: [request.session for request in c.origin.closed] == [first])


async def test_the_stream_of_a_publisher_that_comes_back_waits_for_its_media_and_a_viewer_is_ended(
    c: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.signaling.core.domain.holds.SETTLED_MS", 0)
    await c.go_live("s1", publisher_session=SessionId("first"))
    for role, kind in ((Role.PUBLISH, "whip"), (Role.PLAY, "whep")):
        once = await token(c, role)
        for number in (1, 2):
            assert (await c.whip(number, once, kind=kind)).status_code == 201
            await c.instance(number).core.tasks.settle(5.0)
    await c.sees(lambda: c.origin.closed and any(edge.closed for edge in c.edges))

    (publisher,) = c.origin.closed
    (viewer,) = [closed for edge in c.edges for closed in edge.closed]
    assert (publisher.session, publisher.reason) == (c.origin.published[0].session, EndReason.REPLACED)
    assert (publisher.keep_stream_s, viewer.keep_stream_s) == (RETURN_S, 0.0)
    assert viewer.forgotten_by is None, "its hold would stay"


async def test_the_sweep_releases_what_a_dead_instance_held(c: Pair) -> None:
    once = await token(c)
    assert (await c.whip(2, once)).status_code == 201
    await c.other.core.tasks.settle(5.0)
    c.other_dies()
    core = c.service.core

    await core.tokens.sweep(core.grants.alive, core.grants.now_ms())

    record = await stored(c, once)
    assert record is not None
    assert record.hold is None
    assert record.used_until_ms


async def test_a_viewer_whose_edge_dies_keeps_its_token_in_its_next_session(c: Pair) -> None:
    await c.go_live()
    once = await token(c, Role.PLAY)
    async with c.client() as client:
        assert (await client.ask("play", streamId="s1", token=once))["type"] == "offer"
        first = c.played[0].session
        edge = c.edge_of(first)
        await edge.tell(first, state=SessionState.CLOSED, reason=EndReason.DRAINING)
        assert (await client.receive())["type"] == "offer"
        (second,) = {request.session for request in c.played} - {first}
        await c.service.core.tasks.settle(5.0)

        record = await stored(c, once)
        assert record is not None
        assert record.hold is not None
        assert record.hold.session == second
        assert (await c.whip(2, once, kind="whep")).status_code == 403
    await is_free(c, once)


async def test_a_viewer_of_a_stream_that_is_not_live_does_not_use_its_token(c: Pair) -> None:
    once = await token(c, Role.PLAY)
    async with c.client() as client:
        for _ in range(3):
            assert (await client.ask("play", streamId="s1", token=once))["definition"] == "no_stream_exist"
        assert (await client.ask("play", streamId="s1", token="wrong"))["definition"] == "unauthorized_access"
    record = await stored(c, once)
    assert record is not None
    assert record.hold is None
    assert not record.used_until_ms


async def test_while_the_store_is_away_nobody_comes_in_and_nothing_is_lost(c: Pair) -> None:
    once = await token(c)
    bucket = c.host.buckets[subjects.BUCKET_TOKENS]
    bucket.available = False
    away = await c.whip(1, once)
    assert away.status_code == 503
    bucket.available = True

    assert (await c.whip(1, once)).status_code == 201


async def test_an_end_that_the_store_did_not_take_in_is_told_again(c: Pair) -> None:
    once = await token(c)
    assert (await c.whip(1, once)).status_code == 201
    grants = c.service.core.grants
    await c.service.core.tasks.settle(5.0)
    bucket = c.host.buckets[subjects.BUCKET_TOKENS]
    bucket.available = False
    await closes(c, c.origin.published[-1].session, "signaling-1")
    await c.sees(lambda: grants._late)

    bucket.available = True
    for (ledger, key, session), started in list(grants._late.items()):
        await grants._release(ledger, key, session, started)

    assert not grants._late
    assert not len(grants)
    await is_free(c, once)


async def test_a_room_token_is_good_for_each_stream_of_the_room(c: Pair) -> None:
    record = await c.service.core.tokens.create(LIVE, StreamId("r1"), Role.PUBLISH, int(time.time()) + 600, "r1")

    assert (await c.whip(1, record.token_id)).status_code == 403
    assert (await c.whip(1, record.token_id, mainTrack="r2")).status_code == 403
    assert (await c.whip(1, record.token_id, mainTrack="r1")).status_code == 501, "the token is; rooms are not there"


@pytest.mark.parametrize("shown", ["", "x" * 300, "../../etc", "*", ">", "a.b.c", "\u00e9", "live/s1"])
async def test_no_text_that_a_client_shows_breaks_anything(c: Pair, shown: str) -> None:
    headers = {"Content-Type": "application/sdp"}
    async with c.stranger(headers=headers) as http:
        answer = await http.post("/live/whip/s1", content=OFFER, params={"token": shown})
    assert answer.status_code in (401, 403)


async def test_in_an_app_that_asks_for_none_a_token_is_no_error_and_nothing_is_held(c: Pair) -> None:
    await c.protect()
    assert (await c.whip(1, "whatever")).status_code == 201
    assert not len(c.service.core.grants)
