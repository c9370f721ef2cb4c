"""Who is let in: the checks in their order, those that must ask somebody, and who gives up meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec
import pytest

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.messages import AdmitAnswer, AdmitRequest
from rillcast.contracts.records import AppSettings
from rillcast.contracts.words import Role
from rillcast.node.background import BackgroundTasks
from rillcast.testing.clock import VirtualTimeLoop
from services.signaling.core.domain.admission_rules import Admitted, Applicant
from services.signaling.core.domain.app_catalog import AppCatalog
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.verified_identity import Proof, VerifiedIdentity
from services.signaling.core.usecases.admission import Admission, Check
from services.signaling.core.usecases.change_rate import ChangeRate
from services.signaling.core.usecases.join_traces import JoinTraces
from services.signaling.websocket.domain.outgoing import OutgoingRoom
from services.signaling.websocket.usecases.socket_services import SocketServices
from services.signaling.websocket.usecases.socket_sessions import SocketSessions
from tests.unit.signaling.fake_grants import LiveStreams, Nothing
from tests.unit.signaling.fake_nodes import LIVE
from tests.unit.signaling.signaling_harness import cluster
from tests.unit.signaling.talk import Talk, Tallied

APPLICANT = Applicant(
    role=Role.PUBLISH, app=LIVE, stream=StreamId("s1"), credentials=Credentials(), client=Client(address="192.0.2.1")
)
NO = RillcastError(ErrorCode.UNAUTHORIZED, "no")


class Question:
    """Asks somebody who answers when told to."""

    def __init__(self, applies: bool = True) -> None:
        self.to_ask = applies
        self.asked = 0
        self.given_up = 0
        self.answered = asyncio.Event()
        self.refusal: RillcastError | None = None
        self.verifies: VerifiedIdentity | None = None

    def applies(self, applicant: Applicant, settings: AppSettings) -> bool:
        return self.to_ask

    async def ask(self, applicant: Applicant, settings: AppSettings) -> VerifiedIdentity | None:
        self.asked += 1
        try:
            await self.answered.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.refusal is not None:
            raise self.refusal
        return self.verifies


def passes(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work())


def refuses(applicant: Applicant, settings: AppSettings) -> None:
    raise NO


def admission(*questions: Question, checks: tuple[Check, ...] = (), **bounds: Any) -> Admission:
    held: dict[str, Any] = {"streams": LiveStreams(), "grants": Nothing()} | bounds
    return Admission(AppCatalog(["live"], {}), checks, questions, **held)


async def code_of(asking: Coroutine[Any, Any, Admitted]) -> ErrorCode | None:
    try:
        await asking
    except RillcastError as error:
        return error.code
    return None


def test_where_nobody_is_to_be_asked_the_answer_is_there_at_once() -> None:
    async def check() -> None:
        admitted = admission(Question(applies=False)).at_once(APPLICANT)

        assert admitted is not None
        assert admitted.settings.app_name == "live"
        assert not admitted.identity

    passes(check)


def test_an_app_that_does_not_exist_and_a_refusal_from_memory_ask_nobody() -> None:
    async def check() -> None:
        question = Question()
        stranger = msgspec.structs.replace(APPLICANT, app=AppName("other"))

        assert await code_of(admission(question).admit(stranger)) is ErrorCode.UNKNOWN_APP
        assert await code_of(admission(question, checks=(refuses,)).admit(APPLICANT)) is ErrorCode.UNAUTHORIZED
        with pytest.raises(RillcastError):
            admission(question, checks=(refuses,)).at_once(APPLICANT)
        assert question.asked == 0

    passes(check)


def test_one_address_takes_half_of_the_places_of_those_who_are_asked_about() -> None:
    async def check() -> None:
        question = Question()
        asking = admission(question, most_asking=4)
        greedy, friend = (
            msgspec.structs.replace(APPLICANT, client=Client(address=name, counted_as=name))
            for name in ("203.0.113.9", "198.51.100.1")
        )
        waiting = [asyncio.create_task(code_of(asking.admit(greedy))) for _ in range(4)]
        await asyncio.sleep(0.1)
        other = asyncio.create_task(code_of(asking.admit(friend)))
        await asyncio.sleep(0.1)
        question.answered.set()

        assert [await task for task in waiting] == [None] * 2 + [ErrorCode.HIGH_RESOURCE_USAGE] * 2
        assert await other is None
        assert len(asking._places) == 0

    passes(check)


def test_questions_are_asked_in_their_order_and_the_first_refusal_counts() -> None:
    async def check() -> None:
        first, second, third = Question(), Question(), Question()
        second.refusal = NO
        for question in (first, second, third):
            question.answered.set()
        asking = admission(first, second, third)

        assert asking.at_once(APPLICANT) is None
        assert await code_of(asking.admit(APPLICANT)) is ErrorCode.UNAUTHORIZED
        assert [question.asked for question in (first, second, third)] == [1, 1, 0]

    passes(check)


def test_of_what_was_verified_the_strongest_counts() -> None:
    async def check() -> None:
        webhook, subscriber = Question(), Question()
        webhook.verifies = VerifiedIdentity(Proof.WEBHOOK, "d")
        subscriber.verifies = VerifiedIdentity(Proof.SUBSCRIBER, "alice")
        for question in (webhook, subscriber):
            question.answered.set()

        admitted = await admission(subscriber, webhook).admit(APPLICANT)

        assert admitted.identity == VerifiedIdentity(Proof.SUBSCRIBER, "alice")

    passes(check)


def test_who_is_not_answered_about_in_time_is_refused() -> None:
    async def check() -> None:
        question = Question()

        assert await code_of(admission(question, timeout_s=5.0).admit(APPLICANT)) is ErrorCode.HIGH_RESOURCE_USAGE
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)
        assert question.given_up == 1

    passes(check)


def test_only_so_many_are_asked_about_and_places_come_free() -> None:
    async def check() -> None:
        question = Question()
        asking = admission(question, most_asking=2)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(code_of(asking.admit(APPLICANT))) for _ in range(2)]
            await asyncio.sleep(1.0)

            assert await code_of(asking.admit(APPLICANT)) is ErrorCode.HIGH_RESOURCE_USAGE
            question.answered.set()

        assert [task.result() for task in waiting] == [None, None]
        assert await code_of(asking.admit(APPLICANT)) is None

    passes(check)


class Socket:
    """One socket's sessions, with a question before anybody is let in."""

    def __init__(self, question: Question) -> None:
        self.frames: list[dict[str, Any]] = []
        self.tasks = BackgroundTasks()
        self.traces = JoinTraces()
        talk = Talk()
        services = SocketServices(
            admission=admission(question),
            joins=cast(Any, self),
            nodes=cast(Any, self),
            events=cast(Any, self),
            waiting_room=cast(Any, self),
            tasks=self.tasks,
            tally=Tallied(),
            changes=ChangeRate(ClientRate(1.0, 1.0), lambda: 0.0),
            outgoing=OutgoingRoom(),
            conversation=lambda app, client: talk.conversation,
        )
        self.sessions = SocketSessions(
            1, LIVE, Client(address=""), services, lambda text: self.frames.append(msgspec.json.decode(text))
        )

    def nothing(self, *args: object) -> None:
        pass

    enter = leave = nothing

    def receive(self, command: str, stream: str = "s1") -> None:
        self.sessions.receive(msgspec.json.encode({"command": command, "streamId": stream}).decode())

    @property
    def heard(self) -> list[str]:
        return [frame.get("definition", frame["command"]) for frame in self.frames]


def test_a_socket_goes_on_while_somebody_is_asked_about_it() -> None:
    async def check() -> None:
        question = Question()
        socket = Socket(question)
        socket.receive("publish")
        socket.receive("ping")
        await asyncio.sleep(1.0)
        assert socket.heard == ["pong"]

        question.answered.set()
        await socket.tasks.settle()

        assert socket.heard == ["pong", "start"]

    passes(check)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("socket_closes", [True, False])
def test_who_leaves_while_somebody_is_asked_is_not_asked_about_any_longer(at_once: bool, socket_closes: bool) -> None:
    async def check() -> None:
        question = Question()
        socket = Socket(question)
        socket.receive("publish")
        if not at_once:
            await asyncio.sleep(1.0)
        if socket_closes:
            socket.sessions.close(sessions_stay=False)
        else:
            socket.receive("stop")
        await socket.tasks.settle()

        assert question.asked == question.given_up == (0 if at_once else 1)
        assert socket.sessions.idle

    passes(check)


async def test_an_origin_may_ask_any_instance_whether_a_publisher_may_come_in() -> None:
    async with cluster() as c:
        asked = AdmitRequest(role=Role.PUBLISH, app=LIVE, stream=StreamId("s1"), token="t", client_address="192.0.2.1")
        answer = await c.origin.bus.request(subjects.SIGNALING_ADMIT, asked, AdmitAnswer)
        nameless = msgspec.structs.replace(asked, stream=StreamId("a b"))
        with pytest.raises(RillcastError) as refused:
            await c.origin.bus.request(subjects.SIGNALING_ADMIT, nameless, AdmitAnswer)

        async with c.client() as client:
            await client.publish(c, token="t")

    assert refused.value.code is ErrorCode.INVALID_STREAM_NAME
    assert (answer.has_credentials, answer.credential_digest) == (False, "")
    assert answer.max_bitrate_bps == c.origin.published[0].max_bitrate_bps
