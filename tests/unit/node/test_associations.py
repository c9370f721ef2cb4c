"""A session that goes from one node to another: whatever gets lost, one of them at most sends under its keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import AssociationAnswer, AssociationRequest, FormerSession
from rillcast.contracts.words import MediaKind, NodeKind
from rillcast.media.protocol import (
    AddSession,
    DtlsParameters,
    DtlsRole,
    Event,
    IceParameters,
    PlaneSession,
    SendTrack,
    SessionExported,
    SrtpState,
)
from rillcast.node.association_giver import AssociationGiver, Given
from rillcast.node.association_keys import AssociationKeys
from rillcast.node.association_taker import STOP_S, AssociationTaker, Taken, Takeover, TakeoverState
from rillcast.node.background import BackgroundTasks
from rillcast.testing.associations import AssociatingPlane, KnownNodes
from rillcast.testing.bus import FakeBroker, FakeBus

OLD, NEW, OTHER = NodeId("edge-1"), NodeId("edge-2"), NodeId("edge-3")
SESSION, NUMBER = SessionId("s"), PlaneSession(1)


class Node:
    """One node that gives and takes."""

    def __init__(self, name: NodeId, broker: FakeBroker, known: KnownNodes) -> None:
        self.name = name
        self.bus = FakeBus(broker)
        self.plane = AssociatingPlane()
        self.tasks = BackgroundTasks()
        self.given: list[Given] = []
        self.taken: list[Taken] = []
        self.stopped = 0
        self.keys = AssociationKeys(name, NodeKind.EDGE, known.join(name, NodeKind.EDGE), known.get)
        self.giver = AssociationGiver(self.plane, self.keys, self.given.append)
        self.taker = AssociationTaker(NodeKind.EDGE, self.bus, self.keys, self.tasks, self.taken.append)
        self.plane.on_event = self.giver.on_event

    async def start(self) -> None:
        subject = subjects.media_association(NodeKind.EDGE, self.name)
        await self.bus.serve(subject, AssociationRequest, self.giver.give)

    def has_session(self) -> FormerSession:
        """A session that is connected here, and is sent away."""
        track = SendTrack(track=0, kind=MediaKind.VIDEO, clock_rate=90_000, payload_type=96, ssrc=7, cname="c")
        self.plane.execute(
            AddSession(
                session=NUMBER,
                worker=0,
                ice=IceParameters(local_ufrag="l", local_pwd="l", remote_ufrag="r", remote_pwd="r"),
                dtls=DtlsParameters(role=DtlsRole.SERVER, fingerprint_hash="sha-256", fingerprint="AA"),
                send=(track,),
            )
        )
        self.plane.shake_hands(NUMBER)
        self.plane.send()
        return FormerSession(node=self.name, session=SESSION, association=self.giver.offer(SESSION, NUMBER, self._end))

    def _end(self) -> None:
        self.stopped += 1
        self.giver.withdraw(SESSION)


class World:
    """Three nodes."""

    def __init__(self) -> None:
        self.broker, self.known = FakeBroker(), KnownNodes()
        self.old, self.new, self.other = (Node(name, self.broker, self.known) for name in (OLD, NEW, OTHER))
        self.nodes = (self.old, self.new, self.other)

    async def ready(self, at: Node, former: FormerSession) -> Takeover:
        takeover = await at.taker.ready(former)
        assert takeover is not None
        return takeover

    async def reached(self, at: Node, takeover: Takeover) -> SrtpState | None:
        told: asyncio.Future[SrtpState | None] = asyncio.get_running_loop().create_future()
        at.taker.reached(takeover, told.set_result)
        return await told


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    for node in world.nodes:
        await node.start()
    yield world
    for node in world.nodes:
        await node.tasks.close()
        await node.bus.close()


async def test_the_next_node_gets_the_keys_and_then_the_final_counters(world: World) -> None:
    former = world.old.has_session()

    takeover = await world.ready(world.new, former)
    world.old.plane.send()
    assert takeover.srtp is not None
    assert (takeover.state, takeover.srtp.sent[0].index) == (TakeoverState.AWAITED, 1)
    final = await world.reached(world.new, takeover)
    world.old.plane.send()

    assert final is not None
    assert final.sent[0].index == len(world.old.plane.packets) == 2
    assert takeover.kept
    assert takeover.srtp is None, "keys are kept no longer than needed"
    assert world.old.stopped == 1
    assert (world.old.given, world.new.taken) == ([Given.READY, Given.HANDED_OVER], [Taken.KEPT])
    assert len(world.old.giver) == 0


async def test_of_two_askers_one_gets_the_counters(world: World) -> None:
    former = world.old.has_session()
    first, second = await world.ready(world.new, former), await world.ready(world.other, former)

    got = await asyncio.gather(world.reached(world.new, first), world.reached(world.other, second))

    assert [state is not None for state in got].count(True) == 1
    assert sorted(world.new.taken + world.other.taken) == [Taken.KEPT, Taken.REFUSED]
    assert world.old.stopped == 1


async def test_a_question_to_stop_that_is_asked_again_gets_nothing(world: World) -> None:
    former = world.old.has_session()
    question = world.new.keys.ask(former, stop=True)
    subject = subjects.media_association(NodeKind.EDGE, OLD)

    answers = await asyncio.gather(
        *(world.new.bus.request(subject, question.request, AssociationAnswer) for _ in range(3)), return_exceptions=True
    )

    assert sum(isinstance(answer, AssociationAnswer) for answer in answers) == 1
    assert world.old.stopped == 1


async def test_nobody_is_told_anything_after_somebody_has_asked_to_stop(world: World) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)

    _, late = await asyncio.gather(world.reached(world.new, takeover), world.other.taker.ready(former))

    assert takeover.kept
    assert late is None
    assert world.other.taken == [Taken.NOT_READY]


@pytest.mark.parametrize(
    "wrong",
    [
        FormerSession(node=OLD, session=SESSION, association="guessed"),
        FormerSession(node=OLD, session=SESSION, association=""),
        FormerSession(node=OLD, session=SESSION, association="nön-ascii"),
        FormerSession(node=OLD, session=SessionId("other"), association="guessed"),
        FormerSession(node=OTHER, session=SESSION, association="guessed"),
        FormerSession(node=NodeId("edge-9"), session=SESSION, association="guessed"),
    ],
)
async def test_who_does_not_know_the_secret_gets_nothing(world: World, wrong: FormerSession) -> None:
    world.old.has_session()

    assert await world.new.taker.ready(wrong) is None
    assert world.new.taken == [Taken.NOT_READY]
    assert Given.READY not in world.old.given
    world.old.plane.send()
    assert len(world.old.plane.packets) == 2


async def test_nobody_is_asked_for_a_session_that_has_nothing_to_hand_over(world: World) -> None:
    assert await world.new.taker.ready(None) is None
    assert world.new.taken == []
    assert world.new.bus.requested == []


async def test_a_session_that_is_over_is_not_handed_over(world: World) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)
    world.old.giver.withdraw(SESSION)

    assert await world.reached(world.new, takeover) is None
    assert world.new.taken == [Taken.REFUSED]
    assert world.old.given[-1] is Given.UNKNOWN


async def test_a_session_that_ends_while_the_plane_is_asked_is_not_handed_over(world: World) -> None:
    former = world.old.has_session()
    world.old.plane.deaf = True
    asking = asyncio.create_task(world.new.taker.ready(former))
    while not world.old.giver._exports:
        await asyncio.sleep(0)

    world.old.giver.withdraw(SESSION)

    assert await asking is None
    assert world.old.giver._exports == {}
    assert world.old.stopped == 0


@pytest.mark.parametrize("answers", [True, False])
async def test_a_session_that_ends_after_the_question_to_stop_is_handed_over_if_the_plane_answers(
    world: World, answers: bool
) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)
    world.old.plane.deaf, srtp = True, takeover.srtp
    stopping = asyncio.create_task(world.reached(world.new, takeover))
    while not world.old.giver._exports:
        await asyncio.sleep(0)

    world.old.giver.withdraw(SESSION)
    if answers:
        world.old.plane.emit(SessionExported(session=NUMBER, srtp=srtp))

    assert await stopping == (srtp if answers else None)
    await asyncio.sleep(STOP_S)
    assert (len(world.old.giver), world.old.giver._exports) == (0, {})
    with pytest.raises(RillcastError):
        await world.old.giver.give(world.other.keys.ask(former, stop=True).request)


async def test_a_node_that_died_between_the_two_questions_is_waited_for_no_longer_than_that(world: World) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)
    world.old.bus.connected = False

    assert await world.reached(world.new, takeover) is None
    assert world.new.taken == [Taken.SILENT]
    assert takeover.state is TakeoverState.LOST


async def test_an_answer_that_comes_late_stops_the_former_node_and_starts_nobody(world: World) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)
    world.old.plane.deaf, srtp = True, takeover.srtp
    final = await world.reached(world.new, takeover)

    world.old.plane.emit(SessionExported(session=NUMBER, srtp=srtp))
    world.old.plane.send()

    assert final is None
    assert world.new.taken in ([Taken.SILENT], [Taken.REFUSED])
    assert world.old.stopped == 1, "its client is elsewhere"
    assert len(world.old.plane.packets) == 1


async def test_a_plane_that_is_busy_or_says_nothing_hands_nothing_over(world: World) -> None:
    former = world.old.has_session()
    world.old.plane.busy = True
    with pytest.raises(RillcastError):
        await world.old.giver.give(world.new.keys.ask(former, stop=True).request)
    world.old.plane.busy = False

    world.old.plane.deaf = True
    asking = asyncio.create_task(world.old.giver.give(world.new.keys.ask(former, stop=False).request))
    await asyncio.sleep(STOP_S * 2)

    with pytest.raises(RillcastError, match="can't be handed over"):
        await asking
    assert world.old.given == [Given.NOT_TOLD] * 2


async def test_what_ended_meanwhile_goes_on_nowhere(world: World) -> None:
    former = world.old.has_session()
    takeover = await world.ready(world.new, former)
    told: list[SrtpState | None] = []

    world.new.taker.reached(takeover, told.append)
    world.new.taker.ended(takeover)
    world.new.taker.ended(takeover)
    await world.new.tasks.settle()

    assert told == []
    assert world.new.taken == [Taken.ENDED]
    assert world.old.stopped == 1


async def test_a_client_that_is_said_to_have_come_twice_is_asked_for_once(world: World) -> None:
    takeover = await world.ready(world.new, world.old.has_session())
    told: list[SrtpState | None] = []

    for _ in range(2):
        world.new.taker.reached(takeover, told.append)
    await world.new.tasks.settle()

    assert [state is not None for state in told] == [True]


async def test_a_node_that_does_too_much_already_lets_the_client_shake_hands_anew(world: World) -> None:
    takeover = await world.ready(world.new, world.old.has_session())
    world.new.tasks._most = 0
    told: list[SrtpState | None] = []

    world.new.taker.reached(takeover, told.append)

    assert told == [None]
    assert world.new.taken == [Taken.REFUSED]
    world.new.taker.unfit(takeover)
    assert world.new.taken == [Taken.REFUSED], "it was known before"


async def test_events_that_nobody_waits_for_change_nothing(world: World) -> None:
    events: list[Any] = [SessionExported(session=PlaneSession(5), srtp=None)]

    for event in events:
        handled: Event = event
        world.old.giver.on_event(handled)

    assert world.old.given == []
