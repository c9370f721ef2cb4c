"""Sessions that were opened by WHIP and WHEP are followed until they run, for the figures about joins."""

from __future__ import annotations

import asyncio

import pytest

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId, SessionId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.testing.bus import FakeBroker, FakeBus
from services.signaling.core.adapters.bus_session_events import BusSessionEvents
from services.signaling.whip.usecases.join_watch import WATCH_S, JoinWatch
from tests.unit.signaling.talk import Tallied

SESSION, NODE, HERE = SessionId("s"), NodeId("edge-1"), NodeId("signaling-1")


class Joins:
    """Remembers what it was told, in words."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def connected(self, session: SessionId) -> None:
        self.told.append("connected")

    def forget(self, session: SessionId) -> None:
        self.told.append("forget")


class Followed:
    """One session that is followed from now on."""

    def __init__(self, running: SessionState) -> None:
        self.joins, self.events, self.tally = Joins(), BusSessionEvents(), Tallied()
        watch = JoinWatch("whip", running, self.joins, self.events, self.tally)
        watch.follow(SESSION, NODE, asyncio.get_running_loop().time())

    async def hears(self, state: SessionState | None, reason: EndReason | None = None, *, node: NodeId = NODE) -> None:
        change = SessionChanged(session=SESSION, node=node, state=state, reason=reason)
        broker = FakeBroker()
        here, there = FakeBus(broker), FakeBus(broker)
        await self.events.start(here, HERE)
        await there.emit(subjects.session_changed(HERE), change)
        await here.settle()
        await here.close()

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, outcome, _ in self.tally.joins]


@pytest.mark.parametrize(
    ("running", "states"),
    [
        (SessionState.CONNECTED, [SessionState.CONNECTED]),
        (SessionState.CONNECTED, [SessionState.MEDIA]),
        (SessionState.MEDIA, [SessionState.CONNECTED, SessionState.MEDIA]),
    ],
)
async def test_a_session_that_runs_is_counted_once_and_followed_no_longer(
    running: SessionState, states: list[SessionState]
) -> None:
    followed = Followed(running)
    for state in [*states, SessionState.MEDIA, SessionState.CLOSED]:
        await followed.hears(state)

    assert followed.outcomes == ["ok"]
    assert followed.joins.told == ["connected"] * len(states)
    assert len(followed.events) == 0


async def test_a_session_that_ends_before_it_runs_has_failed() -> None:
    followed = Followed(SessionState.MEDIA)
    await followed.hears(SessionState.CONNECTED)
    await followed.hears(SessionState.CLOSED, EndReason.NO_MEDIA)

    assert followed.outcomes == ["failed"]
    assert followed.joins.told == ["connected", "forget"]
    assert len(followed.events) == 0


async def test_figures_and_the_end_of_one_subscription_change_nothing() -> None:
    followed = Followed(SessionState.MEDIA)
    await followed.hears(None, EndReason.STREAM_ENDED)

    assert (followed.outcomes, followed.joins.told, len(followed.events)) == ([], [], 1)


async def test_a_node_that_answered_too_late_does_not_end_the_session_at_another_one() -> None:
    followed = Followed(SessionState.CONNECTED)
    await followed.hears(SessionState.CLOSED, EndReason.NOT_ANSWERED, node=NodeId("edge-2"))
    await followed.hears(SessionState.CONNECTED)

    assert (followed.outcomes, followed.joins.told) == (["ok"], ["connected"])


async def test_nobody_is_followed_for_ever() -> None:
    followed = Followed(SessionState.MEDIA)
    await asyncio.sleep(WATCH_S + 1.0)

    assert len(followed.events) == 0
