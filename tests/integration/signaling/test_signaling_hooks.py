"""Webhooks that are told events, over real HTTP: what they are told, how, and what becomes of those that fail."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from rillcast.contracts import subjects
from rillcast.contracts.ids import AppName, StreamId, stream_key
from rillcast.contracts.words import EndReason, NodeKind, SessionState
from rillcast.testing.eventually import eventually
from rillcast.testing.receiver import Receiver, receiver
from services.signaling.app import Signaling
from services.signaling.core.wire import read_files
from tests.unit.signaling.fake_nodes import OFFER, FakeHost, info
from tests.unit.signaling.signaling_harness import Cluster, cluster

SETTINGS = "/rest/v2/applications/settings/live"


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def c(hook: Receiver) -> AsyncIterator[Cluster]:
    async with cluster() as made:
        await sets(made, listenerHookURL=hook.url)
        yield made


async def sets(c: Cluster, **settings: Any) -> None:
    async with c.http() as http:
        answer = (await http.post(SETTINGS, json=settings)).json()
    assert answer["success"], answer


async def ends(c: Cluster, stream: str = "s1") -> None:
    """The owner gives the stream up."""
    await c.host.buckets[subjects.BUCKET_STREAMS].delete(stream_key(AppName("live"), StreamId(stream)))


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("rillcast_signaling_hooks_dropped_total", {"reason": reason}) or 0.0


async def watches(c: Cluster, **query: str) -> Any:
    """A viewer by WHEP that runs: its edge and its session."""
    known = {request.session for request in c.played}
    async with c.stranger() as http:
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post("/live/whep/s1", content=OFFER, headers=headers, params=query)
    assert answer.status_code == 201
    session = next(request.session for request in c.played if request.session not in known)
    edge = c.edge_of(session)
    await edge.tell(session, state=SessionState.CONNECTED)
    return edge, session


async def test_a_stream_that_starts_and_ends_is_told_as_ant_media_tells_it(c: Cluster, hook: Receiver) -> None:
    await c.go_live(meta_data='{"k":1}')
    await c.sees(lambda: hook.told)
    await ends(c)
    await c.sees(lambda: len(hook.told) == 2)

    started, ended = hook.told
    assert list(started.fields) == ["app", "metadata", "action", "id", "streamName", "timestamp"]
    assert started.fields.pop("timestamp").isdecimal()
    assert started.fields | {"timestamp": ""} == {
        "id": "s1",
        "action": "liveStreamStarted",
        "streamName": "A show",
        "app": "live",
        "metadata": {"k": 1},
        "timestamp": "",
    }
    assert ended.fields["action"] == "liveStreamEnded"
    assert started.id.partition(".")[0] == ended.id.partition(".")[0]
    assert started.id != ended.id
    assert "x-rillcast-signature" not in started.headers


async def test_who_publishes_is_told_with_the_stream(c: Cluster, hook: Receiver) -> None:
    async with c.client() as client:
        await client.publish(c, "s1", subscriberId="ann")
    assert c.origin.published[-1].subscriber_id == "ann"
    await c.go_live(subscriber_id="ann")
    await c.sees(lambda: hook.told)
    assert hook.told[0].fields["subscriberId"] == "ann"


async def test_a_form_holds_the_metadata_as_text(c: Cluster, hook: Receiver) -> None:
    await sets(c, webhookContentType="application/x-www-form-urlencoded")
    await c.go_live(meta_data='{"k":1}')
    await c.sees(lambda: hook.told)
    assert hook.told[0].body.startswith(b"app=live&metadata=%7B%22k%22%3A1%7D&action=liveStreamStarted&id=s1")


async def test_the_address_of_a_broadcast_counts_before_that_of_the_app(c: Cluster, hook: Receiver) -> None:
    async with receiver() as own, c.http() as http:
        made = await http.post("/live/rest/v2/broadcasts/create", json={"streamId": "mine", "listenerHookURL": own.url})
        assert made.json()["listenerHookURL"] == own.url
        await c.go_live("mine")
        await c.go_live("other")
        await c.sees(lambda: own.told and hook.told)
        await http.delete("/live/rest/v2/broadcasts/mine")
        await ends(c, "mine")
        await c.sees(lambda: len(own.told) == 2)
        assert {one.fields["id"] for one in own.told} == {"mine"}
        assert {one.fields["id"] for one in hook.told} == {"other"}


async def test_an_event_that_fails_is_sent_again_as_it_was_and_then_given_up(c: Cluster, hook: Receiver) -> None:
    await sets(c, webhookRetryCount=2, webhookRetryDelay=10)
    hook.statuses, before = [500, 404, 500], dropped("gave_up")
    await c.go_live()
    await c.sees(lambda: len(hook.told) == 3)
    await c.sees(lambda: dropped("gave_up") - before == 1)
    assert len({(one.body, one.id) for one in hook.told}) == 1
    await ends(c)
    await c.sees(lambda: hook.actions()[3:] == ["liveStreamEnded"])


async def test_a_webhook_that_hangs_delays_nobody_else(c: Cluster, hook: Receiver) -> None:
    async with receiver() as slow, c.http() as http:
        slow.hangs = True
        for number in range(20):
            stream = f"slow{number}"
            await http.post("/live/rest/v2/broadcasts/create", json={"streamId": stream, "listenerHookURL": slow.url})
            await c.go_live(stream)
        await c.sees(lambda: slow.told)
        await c.go_live("quick")
        await c.sees(lambda: hook.told)
        assert len(slow.told) <= 8, "one for each of its lines"


async def test_what_is_signed_can_be_checked(c: Cluster, hook: Receiver) -> None:
    secret = "w" * 32
    await sets(c, webhookSecret=secret, webhookAuthenticateURL=hook.url)
    async with c.http() as http:
        assert secret not in (await http.get(SETTINGS)).text
    await c.go_live()
    await c.sees(lambda: hook.told)
    async with c.stranger() as http:
        await http.post("/live/whip/s2", content=OFFER, headers={"Content-Type": "application/sdp"})
    assert len(hook.told) == 2, "who may publish is asked in the same way"
    for told in hook.told:
        at, made = (part.partition("=")[2] for part in told.headers["x-rillcast-signature"].split(","))
        signed = hmac.new(secret.encode(), f"{at}.".encode() + told.body, hashlib.sha256)
        assert made == signed.hexdigest()


async def test_viewers_are_told_of_when_they_run_and_when_they_are_gone(c: Cluster, hook: Receiver) -> None:
    await c.go_live()
    await c.sees(lambda: hook.told)
    edge, session = await watches(c, subscriberId="alice")
    await c.sees(lambda: hook.actions()[1:] == ["playStarted"])
    await edge.tell(session, state=SessionState.CLOSED, reason=EndReason.CONSENT_EXPIRED)
    await c.sees(lambda: hook.actions()[2:] == ["playStopped"])
    assert hook.told[1].fields["subscriberId"] == "alice"
    assert hook.told[1].id != hook.told[2].id


async def test_viewers_of_an_instance_that_died_are_told_to_be_gone(c: Cluster, hook: Receiver) -> None:
    await c.go_live()
    await c.sees(lambda: hook.told)
    await watches(c, subscriberId="alice")
    bucket = c.host.buckets[subjects.BUCKET_TOLD_PLAYS]
    await c.sees(lambda: bucket.writes)

    async with receiver() as later:
        other = FakeHost(c.broker)
        other.info = info("signaling-2", NodeKind.SIGNALING)
        other.buckets, other.queues = c.host.buckets, c.host.queues
        await sets(c, listenerHookURL=later.url)
        successor = await Signaling.build(c.settings, other, read_files(c.settings))

        async def swept() -> bool:
            await successor.core.grants._sweep()
            return "playStopped" in later.actions()

        await eventually(swept, 10.0, "the end is told")
        assert [one.fields["subscriberId"] for one in later.told] == ["alice"]
        assert await bucket.entries() == []
        successor.operators.hashes.close()
        await successor.core.tasks.close()
        await other.close()


async def test_a_publisher_that_sends_nothing_is_told_of(c: Cluster, hook: Receiver) -> None:
    async with c.stranger() as http:
        params = {"subscriberId": "bob"}
        headers = {"Content-Type": "application/sdp"}
        answer = await http.post("/live/whip/s1", content=OFFER, headers=headers, params=params)
    assert answer.status_code == 201
    session = c.origin.published[-1].session
    await c.origin.tell(session, state=SessionState.CLOSED, reason=EndReason.NO_MEDIA)
    await c.sees(lambda: hook.actions() == ["publishTimeoutError"])
    assert (hook.told[0].fields["id"], hook.told[0].fields["subscriberId"]) == ("s1", "bob")


async def test_where_nobody_wants_to_know_nothing_waits(hook: Receiver) -> None:
    async with cluster() as c:
        await c.go_live()
        await watches(c)
        bucket = c.host.buckets[subjects.BUCKET_TOLD_STREAMS]
        await c.sees(lambda: any(value and b'"told":true' in value for _, value in bucket.writes))
        assert await c.host.queues[subjects.QUEUE_HOOKS].lines() == {}
        assert not len(c.service.core.grants)


@pytest.mark.parametrize("refused", ["127.0.0.0/8", "10.0.0.0/8"])
async def test_the_operator_says_where_no_webhook_may_be(hook: Receiver, refused: str) -> None:
    before = dropped("gave_up")
    async with cluster(webhook_refused_cidr=refused) as c:
        await sets(c, listenerHookURL=hook.url.replace("127.0.0.1", "localhost"))
        await c.go_live()
        if refused.startswith("127"):
            await c.sees(lambda: dropped("gave_up") - before == 1)
            assert hook.told == []
        else:
            await c.sees(lambda: hook.told)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listenerHookURL", "ftp://host/"),
        ("webhookContentType", "text/xml"),
        ("webhookRetryCount", -1),
        ("webhookSecret", "short"),
    ],
)
async def test_settings_that_could_not_be_obeyed_are_refused(c: Cluster, setting: str, value: object) -> None:
    async with c.http() as http:
        answer: httpx.Response = await http.post(SETTINGS, json={setting: value})
    assert setting in answer.text
    assert not answer.json()["success"]
