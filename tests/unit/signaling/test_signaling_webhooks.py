"""Webhooks that are asked who may come in: what they are told, and those that hang, fail or answer too much."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, SessionId, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.recent_answers import RecentAnswers
from services.signaling.core.domain.verified_identity import Proof
from services.signaling.core.domain.webhook_question import java_map, webhook_question
from services.signaling.core.domain.webhook_rest import FAILURES, MAX_WEBHOOKS, REST_S, Question, Webhooks
from services.signaling.core.usecases.webhook_lock import MOST_ASKING, WebhookLock
from tests.unit.signaling.fake_nodes import LIVE

URL = "http://192.0.2.80/auth"
SETTINGS = AppSettings(app_name=AppName("live"), webhook_authenticate_url=URL, webhook_play_auth_url=URL)


def applicant(role: Role = Role.PUBLISH, **fields: Any) -> Applicant:
    made = Applicant(
        role=role,
        app=LIVE,
        stream=StreamId("s1"),
        credentials=Credentials(token="t", subscriber_id="alice", subscriber_code="123456"),
        client=Client(address="192.0.2.1", origin="https://tv.example"),
        session=SessionId("a"),
    )
    return msgspec.structs.replace(made, **fields)


class Hook:
    """Somebody's server."""

    def __init__(self, answer: bool | OSError = True) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.hangs = False

    async def allows(self, url: str, question: bytes, headers: dict[str, str] | None = None) -> bool:
        self.headers = headers or {}
        self.asked.append(msgspec.json.decode(question))
        if self.hangs:
            await asyncio.Event().wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def refused(lock: WebhookLock, who: Applicant) -> RillcastError:
    with pytest.raises(RillcastError) as caught:
        await lock.ask(who, SETTINGS)
    return caught.value


def test_the_bodies_are_ant_medias_and_hold_no_empty_keys() -> None:
    publishing = applicant(meta_data='{"a": 1}', query=java_map([("q", "1"), ("token", "t")]))
    assert msgspec.json.decode(webhook_question(publishing)) == {
        "appName": "live",
        "name": "s1",
        "streamId": "s1",
        "mode": "live",
        "queryParams": "{q=1, token=t}",
        "metaData": '{"a": 1}',
        "token": "t",
        "subscriberId": "alice",
        "subscriberCode": "123456",
    }
    assert msgspec.json.decode(webhook_question(applicant(Role.PLAY, meta_data='{"a": 1}'))) == {
        "streamId": "s1",
        "mode": "play",
        "appName": "live",
        "origin": "https://tv.example",
        "token": "t",
        "subscriberCode": "123456",
        "subscriberId": "alice",
        "metaData": {"a": 1},
        "ipAddress": "192.0.2.1",
    }
    bare = applicant(credentials=Credentials(), client=Client(address=""))
    assert msgspec.json.decode(webhook_question(bare)).keys() == {"appName", "name", "streamId", "mode"}


async def test_who_it_lets_in_is_known_by_what_it_showed() -> None:
    lock = WebhookLock(Hook(), Clock())
    identity = await lock.ask(applicant(), SETTINGS)
    assert identity is not None
    assert identity.proof is Proof.WEBHOOK
    assert "alice" not in identity.subject
    assert await lock.ask(applicant(credentials=Credentials()), SETTINGS) is None


async def test_a_no_and_no_answer_are_refusals() -> None:
    assert (await refused(WebhookLock(Hook(False), Clock()), applicant())).code is ErrorCode.UNAUTHORIZED
    silent = await refused(WebhookLock(Hook(OSError("no answer")), Clock()), applicant())
    assert silent.code is ErrorCode.UNAUTHORIZED
    assert "does not answer" in silent.message


async def test_one_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    hook, clock = Hook(OSError()), Clock()
    lock = WebhookLock(hook, clock)
    for _ in range(FAILURES + 20):
        await refused(lock, applicant())
    assert len(hook.asked) == FAILURES

    clock.now += REST_S
    await refused(lock, applicant())
    await refused(lock, applicant())
    assert len(hook.asked) == FAILURES + 1, "one asks whether it answers again"

    clock.now += REST_S
    hook.answer = True
    for _ in range(3):
        assert await lock.ask(applicant(), SETTINGS)


async def test_one_that_hangs_is_asked_about_so_many_and_places_come_free() -> None:
    hook = Hook()
    hook.hangs = True
    lock = WebhookLock(hook, Clock())
    waiting = [asyncio.create_task(lock.ask(applicant(), SETTINGS)) for _ in range(MOST_ASKING)]
    await asyncio.sleep(0)

    assert (await refused(lock, applicant())).code is ErrorCode.HIGH_RESOURCE_USAGE
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    hook.hangs = False
    assert await lock.ask(applicant(), SETTINGS)


async def test_those_who_wait_for_a_stream_are_not_asked_about_each_time() -> None:
    hook, clock = Hook(), Clock()
    lock = WebhookLock(hook, clock)
    waiting = applicant(Role.PLAY, session=None)
    for _ in range(5):
        await lock.ask(waiting, SETTINGS)
    assert len(hook.asked) == 1
    await lock.ask(applicant(Role.PLAY), SETTINGS)
    assert len(hook.asked) == 2, "who comes in is asked about"
    clock.now += 10.0
    await lock.ask(waiting, SETTINGS)
    assert len(hook.asked) == 3


def test_tables_of_webhooks_and_answers_are_bounded() -> None:
    webhooks, answers = Webhooks(1), RecentAnswers(life_s=1.0, most=10)
    for number in range(MAX_WEBHOOKS + 50):
        question = webhooks.begin(str(number), "")
        answers.put(str(number), True, 0.0)
    assert len(webhooks) == MAX_WEBHOOKS
    assert len(answers) == 10
    assert isinstance(question, Question)
    webhooks.end(question, 0.0, answered=False)
    assert answers.get("0", 0.0) is None
    assert isinstance(webhooks.begin("0", ""), Question)


async def test_one_address_takes_at_most_half_of_the_questions_to_a_webhook() -> None:
    hook = Hook()
    hook.hangs = True
    lock = WebhookLock(hook, Clock())
    greedy = Client(address="203.0.113.9", counted_as="203.0.113.9")
    asking = [
        asyncio.create_task(lock.ask(applicant(session=SessionId(f"s{n}"), client=greedy), SETTINGS))
        for n in range(MOST_ASKING)
    ]
    while len(hook.asked) < MOST_ASKING // 2 or not asking[-1].done():
        await asyncio.sleep(0)

    refused = [task for task in asking if task.done()]
    with pytest.raises(RillcastError, match="most of them are of your address") as refusal:
        refused[0].result()
    assert refusal.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    assert len(refused) == MOST_ASKING // 2
    hook.hangs = False
    friend = Client(address="198.51.100.1", counted_as="198.51.100.1")
    assert await lock.ask(applicant(client=friend), SETTINGS) is not None
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert [len(one.places) for one in lock._webhooks._webhooks.values()] == [0]
