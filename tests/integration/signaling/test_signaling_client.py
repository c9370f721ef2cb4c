"""The client of REST against real signaling: every call that reads, and a life of an app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rillcast.client import Client, NotAllowed, NotDone, NotFound, NotOurs, Refused, Unreachable, paged
from rillcast.client.shapes import AppSettingsPatch, KeptBroadcastPatch, NewSubscriber
from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.testing.eventually import eventually, within
from scripts.client.document import document
from scripts.client.names import module_of
from scripts.client.operations import operations
from tests.integration.signaling.wire import WireCluster
from tests.unit.signaling.signaling_harness import PASSWORD

READ = [call for call in operations(document()) if call.method == "GET"]
GIVEN: dict[str, Any] = {
    "app": "live",
    "stream": "s1",
    "offset": 0,
    "size": 5,
    "email": "admin",
    "subscriber": "ada",
    "node": "edge-1",
    "search": "s",
    "log_offset": -1,
    "chars": 100,
}


async def ask(c: WireCluster, question: Callable[[Client], Any], *, token: str | None = None) -> Any:
    """Of a client in a thread of its own."""
    shown = c.service.operators.local_token if token is None else token

    def asked() -> Any:
        with Client(f"http://127.0.0.1:{c.port}", token=shown) as client:
            return question(client)

    return await asyncio.to_thread(asked)


async def test_every_call_that_reads_is_answered_in_its_shape_or_refused_in_words(c: WireCluster) -> None:
    await c.go_live()

    def question(client: Client) -> None:
        for call in READ:
            method = getattr(getattr(client, module_of(call.tag)), call.name)
            try:
                method(*(GIVEN.get(one.name, "x1") for one in call.in_path))
            except Refused as error:
                assert str(error), f"{call.path}: a refusal says why"
                assert error.status in (400, 403, 404, 409, 501, 503), call.path
            except NotOurs as error:
                raise AssertionError(f"{call.path}: {error}") from error

    await ask(c, question)


async def test_an_app_is_made_set_and_deleted(c: WireCluster) -> None:
    def life(client: Client) -> None:
        client.applications.create_app("two")
        with pytest.raises(NotDone, match="already exist"):
            client.applications.create_app("two")
        client.applications.change_app_settings("two", AppSettingsPatch(web_rtc_viewer_limit=7))
        settings = client.applications.get_all_app_settings("two")
        assert settings is not None
        assert settings.web_rtc_viewer_limit == 7
        made = client.broadcasts.create_broadcast("two", KeptBroadcastPatch(name="A talk"))
        assert client.broadcasts.get_broadcast("two", made.stream_id).name == "A talk"
        client.subscribers.add_subscriber("two", made.stream_id, NewSubscriber(subscriber_id="ada"))
        found = paged(lambda offset, size: client.subscribers.list_subscribers("two", made.stream_id, offset, size))
        assert [one.subscriber_id for one in found] == ["ada"]
        client.deleting_broadcasts.delete_broadcast("two", made.stream_id)
        with pytest.raises(NotFound):
            client.broadcasts.get_broadcast("two", made.stream_id)
        client.applications.delete_app("two", delete_db=True)
        with pytest.raises(NotFound):
            client.broadcasts.count_broadcasts("two")

    await ask(c, life)


async def test_lists_longer_than_a_page_come_whole(c: WireCluster) -> None:
    def life(client: Client) -> list[str]:
        wanted = [{"streamId": f"s{number:03}"} for number in range(260)]
        client.broadcasts.create_broadcasts("live", wanted)
        return [one.stream_id for one in paged(lambda at, size: client.broadcasts.list_broadcasts("live", at, size))]

    assert await ask(c, life) == [f"s{number:03}" for number in range(260)]


async def test_who_is_not_known_and_who_is_not_reached_are_told_apart(c: WireCluster) -> None:
    with pytest.raises(NotAllowed, match="Not authenticated user"):
        await ask(c, lambda one: one.cluster.get_status(), token="wrong")
    with pytest.raises(Unreachable, match="nothing answers"):
        await asyncio.to_thread(Client("http://127.0.0.1:1").cluster.get_status)


async def test_a_session_is_begun_shown_and_ended(c: WireCluster) -> None:
    def life(client: Client) -> None:
        with pytest.raises(NotAllowed):
            client.cluster.list_nodes()
        with pytest.raises(NotDone):
            client.sign_in("admin", "wrong")
        assert client.sign_in("admin", PASSWORD) == "system/ADMIN"
        assert client.cluster.list_nodes()
        with Client(client.server, session=client.session) as other:
            assert other.cluster.list_nodes()
            client.sign_out()
            with pytest.raises(NotAllowed):
                other.cluster.list_nodes()

    await ask(c, life, token="")


async def test_a_certificate_that_nobody_vouches_for_is_refused(c: WireCluster) -> None:
    with pytest.raises(Unreachable, match=r"certificate of .* does not hold"):
        await asyncio.to_thread(Client(f"https://127.0.0.1:{c.tls_port}").cluster.get_status)


async def test_a_certificate_of_an_authority_that_is_given_holds(c: WireCluster, tmp_path: Any) -> None:
    file = tmp_path / "authority.pem"
    c.authority.cert_pem.write_to_path(str(file))

    def question() -> Any:
        token = c.service.operators.local_token
        with Client(f"https://127.0.0.1:{c.tls_port}", token=token, authority=file) as client:
            return client.product.get_version()

    assert (await asyncio.to_thread(question)).version_type == "Enterprise Edition"


async def test_events_come_as_they_happen_and_what_was_missed_comes_first(c: WireCluster) -> None:
    feed, note = c.service.core.happens.feed, c.service.core.happens.chronicle.note
    loop = asyncio.get_running_loop()

    def happens(number: int) -> None:
        note(ClusterEvent(kind=EventKind.NODE_JOINED, at_ms=number, node="n"))

    async def once_somebody_listens() -> None:
        await eventually(lambda: len(feed), 10.0, "the listener")
        happens(1)

    def listen(client: Client) -> list[int]:
        found: list[int] = []
        last = ""
        for number in (2, 3):
            for one in client.listen(last):
                last = one.id
                if one.data is not None:
                    found.append(one.data.at_ms)
                    break
            loop.call_soon_threadsafe(happens, number)
        return found

    await eventually(lambda: feed.begun, 10.0, "the feed")
    waiting = asyncio.create_task(once_somebody_listens())
    async with within(60, "two events"):
        assert await ask(c, listen) == [1, 2]
    await waiting
