"""`/rillcast/v1/events` over real sockets: events as they happen, and what becomes of those who listen."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.contracts.words import EndReason, SessionState
from rillcast.testing.eventually import eventually, within
from services.signaling.rest.adapters import server_sent
from tests.integration.signaling.wire import WireCluster
from tests.unit.signaling.operator_sessions import add_user, authenticate

PATH = "/rillcast/v1/events"
Event = tuple[str, str, dict[str, Any]]


class Heard:
    """One listener: its events by id, kind and data, and the comments."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.comments: list[str] = []

    async def events(self, many: int) -> list[Event]:
        """The next so many."""
        found: list[Event] = []
        fields: dict[str, str] = {}
        async with within(30.0, f"{many} events"):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    found.append((fields["id"], fields["event"], json.loads(fields.pop("data"))))
                    if len(found) == many:
                        return found
        raise AssertionError(f"it ended after {found}")

    async def end(self) -> None:
        """Until the answer is over."""
        async with within(30.0, "the end"):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line)


@asynccontextmanager
async def listening(
    c: WireCluster, http: httpx.AsyncClient | None = None, *, path: str = PATH, **headers: str
) -> AsyncIterator[Heard]:
    client = http or c.stranger(headers=c.credentials)
    try:
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.stream("GET", path, headers=shown) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Heard(answer)
    finally:
        if http is None:
            await client.aclose()


def note(c: WireCluster, number: int, **fields: Any) -> None:
    """Something happens."""
    c.service.core.happens.chronicle.note(ClusterEvent(kind=EventKind.NODE_JOINED, at_ms=number, **fields))


async def test_a_viewer_that_comes_and_goes_is_told_with_no_secret_in_it(c: WireCluster) -> None:
    async with listening(c) as heard, c.client() as viewer:
        assert heard.answer.headers["content-type"].startswith("text/event-stream")
        assert heard.answer.headers["cache-control"] == "no-store"
        await c.go_live(started_at_ms=0)
        edge, session = await viewer.play(c)
        ((_, kind, joined),) = await heard.events(1)
        await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.DTLS_CLOSED)
        ((_, then, left),) = await heard.events(1)

    assert (kind, then) == ("viewer.joined", "viewer.left")
    assert (joined["app"], joined["stream"], joined["node"]) == ("live", "s1", edge.name)
    assert left["session"]["reason"] == "dtls_closed"
    assert session not in json.dumps([joined, left])


async def test_who_comes_back_with_the_last_id_is_given_what_it_missed(c: WireCluster) -> None:
    async with listening(c) as heard:
        note(c, 1)
        ((last, _, _),) = await heard.events(1)
    for number in (2, 3):
        note(c, number)
    await eventually(lambda: not len(c.service.core.happens.chronicle), 5.0, "the events in the journal")

    async with listening(c, Last_Event_ID=last) as heard:
        note(c, 4)
        found = await heard.events(3)

    assert [data["at_ms"] for _, _, data in found] == [2, 3, 4]
    assert len({id_ for id_, _, _ in found} | {last}) == 4


async def test_silence_is_filled_with_comments(c: WireCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent, "PAUSE_S", 0.05)
    async with listening(c) as heard:
        await eventually(lambda: len(c.service.core.happens.feed) == 1, 5.0, "the listener")
        await asyncio.sleep(0.3)
        note(c, 1)
        await heard.events(1)

    assert ": nothing happens" in heard.comments


async def test_who_leaves_gives_its_place_back(c: WireCluster) -> None:
    async with listening(c):
        await eventually(lambda: len(c.service.core.happens.feed) == 1, 5.0, "the listener")

    await eventually(lambda: len(c.service.core.happens.feed) == 0, 5.0, "its place")


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"rillcast_signaling_{name}", labels) or 0.0


async def test_one_listener_too_many_is_told_so_and_counted(c: WireCluster) -> None:
    feed = c.service.core.happens.feed
    feed._places = SharedPlaces(2)
    before = metric("places_refused_total", place="events", why="full")
    async with listening(c), listening(c), c.stranger(headers=c.credentials) as other:
        await eventually(lambda: len(feed) == 2, 5.0, "the listeners")
        answer = await other.get(PATH, timeout=10)

    assert answer.status_code == 503
    assert "none is left" in answer.json()["message"]
    assert "retry-after" in answer.headers
    assert metric("places_refused_total", place="events", why="full") == before + 1
    await eventually(lambda: not len(feed), 5.0, "their places")


async def test_a_reader_that_stalls_is_cut_off_and_others_hear_everything(
    c: WireCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_sent, "SEND_S", 0.5)
    feed, before = c.service.core.happens.feed, metric("event_listeners_cut_total", reason="not_taken")
    stalled = socket.create_connection(("127.0.0.1", c.port))
    try:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        shown = "".join(f"{name}: {value}\r\n" for name, value in c.credentials.items())
        stalled.sendall(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{c.port}\r\n{shown}\r\n".encode())
        await eventually(lambda: len(feed) == 1, 5.0, "the listener")
        async with listening(c) as quick:
            many = 0
            while len(feed) > 1 or not many:
                for _ in range(1_000):
                    note(c, many, why="x" * 250, zone="y" * 250)
                many += 1_000
                assert len(await quick.events(1_000)) == 1_000
                assert many < 50_000, "it was never cut off"
    finally:
        stalled.close()

    assert metric("event_listeners_cut_total", reason="not_taken") == before + 1


async def test_only_what_is_asked_for_comes(c: WireCluster) -> None:
    async with listening(c, path=f"{PATH}?app=live&stream=s2") as heard:
        for stream in ("s1", "s2"):
            note(c, 1, app="live", stream=stream)
        note(c, 2, app="other", stream="s2")
        note(c, 3, app="live", stream="s2")
        found = await heard.events(2)

    assert [(data["app"], data["stream"], data["at_ms"]) for _, _, data in found] == [
        ("live", "s2", 1),
        ("live", "s2", 3),
    ]


async def test_whoever_hears_nothing_of_what_happens_is_kept_awake(
    c: WireCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_sent, "PAUSE_S", 0.0)
    async with listening(c, path=f"{PATH}?app=live") as heard:
        note(c, 1)
        note(c, 2, app="live")
        await heard.events(1)

    assert ": nothing happens" in heard.comments


async def test_an_id_that_nobody_has_any_more_is_answered_with_what_is_missing_first(c: WireCluster) -> None:
    async with listening(c, Last_Event_ID="1-0") as heard:
        note(c, 1)
        found = await heard.events(2)

    assert [kind for _, kind, _ in found] == ["events.missed", "node.joined"]
    assert "not kept any more" in found[0][2]["why"]


async def test_the_answer_ends_in_order_when_the_instance_drains(c: WireCluster) -> None:
    async with listening(c) as heard:
        await eventually(lambda: len(c.service.core.happens.feed) == 1, 5.0, "the listener")
        for hook in c.host.drain_hooks:
            await hook()
        await heard.end()

    assert "come back with Last-Event-ID" in heard.comments[-1]
    async with c.stranger(headers=c.credentials) as other:
        assert (await other.get(PATH)).status_code == 503


async def test_whose_login_holds_no_more_is_let_go(c: WireCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_sent, "PAUSE_S", 0.05)
    monkeypatch.setattr(server_sent, "LOOK_S", 0.1)
    async with c.stranger(headers=c.credentials) as admin, c.stranger() as http:
        await add_user(admin, "vic", scope="system", userType="READ_ONLY", appNameUserType={"system": "READ_ONLY"})
        assert (await authenticate(http, "vic"))["success"]
        async with listening(c, http) as heard:
            await eventually(lambda: len(c.service.core.happens.feed) == 1, 5.0, "the listener")
            await admin.delete("/rest/v2/users/vic")
            await heard.end()


async def test_a_question_for_the_head_alone_is_answered_at_once(c: WireCluster) -> None:
    async with c.stranger(headers=c.credentials) as http, within(10.0, "the head"):
        answer = await http.head(PATH)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
