"""Viewers that move from an edge that drains to this one, with two offers while that one still serves them."""

from __future__ import annotations

from edge_harness import Begin, World
from test_viewer_join import answer_to

from rillcast.contracts.ids import SessionId
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol


async def watched(begin: Begin) -> World:
    world = await begin(drain_timeout_s=0.2)
    await world.parent("origin-1")
    await world.live()
    return world


def offered(world: World, session: SessionId) -> list[str]:
    """The offers that signaling hears of at the end of a session."""
    closed = [c for c in world.changes if c.session == session and c.state is SessionState.CLOSED]
    return [change.sdp_offered for change in closed]


def reached(world: World, session: SessionId) -> int:
    return sum(change.reached for change in world.changes if change.session == session)


async def test_who_is_sent_away_goes_with_the_offer_that_it_was_connected_by(begin: Begin) -> None:
    world = await watched(begin)
    answer = await world.play()
    await world.accept(answer.session, answer_to(answer.sdp))
    world.connect(world.added()[-1].session)

    await world.drain()

    assert offered(world, answer.session) == [answer.sdp]


async def test_who_is_not_connected_yet_begins_anew(begin: Begin) -> None:
    world = await watched(begin)
    waiting, shaking = await world.play(), await world.play()
    await world.accept(shaking.session, answer_to(shaking.sdp))

    await world.drain()

    assert [offered(world, one.session) for one in (waiting, shaking)] == [[""], [""]]


async def test_a_session_that_ends_for_good_says_nothing_of_its_offer(begin: Begin) -> None:
    world = await watched(begin)
    answer = await world.play()
    await world.accept(answer.session, answer_to(answer.sdp))
    session = world.added()[-1].session
    world.connect(session)

    world.plane.emit(protocol.SessionClosed(session=session, reason=protocol.CloseReason.DTLS_CLOSED))
    await world.settle()

    assert world.told(answer.session)[-1] == ("closed", EndReason.DTLS_CLOSED)
    assert offered(world, answer.session) == [""]


async def test_who_moves_in_gets_two_offers_and_the_second_one_when_this_edge_is_reached(begin: Begin) -> None:
    world = await watched(begin)
    former = (await world.play()).sdp

    answer = await world.play(sdp_offered=former)
    await world.accept(answer.session, answer_to(answer.sdp))
    session = world.added()[-1].session
    before = reached(world, answer.session)
    world.plane.emit(protocol.SessionNominated(session=session))
    await world.settle()

    def ssrcs(sdp: str) -> list[str]:
        return [line for line in sdp.splitlines() if line.startswith("a=ssrc")]

    assert ssrcs(answer.sdp) == ssrcs(former) != ssrcs(answer.sdp_then)
    assert (before, reached(world, answer.session)) == (0, 1)
    world.connect(session)
    await world.drain()
    assert offered(world, answer.session) == [answer.sdp_then]


async def test_who_comes_with_one_offer_is_not_awaited(begin: Begin) -> None:
    world = await watched(begin)
    other = await world.play(sdp_offered="v=0 of something else")
    await world.accept(other.session, answer_to(other.sdp))

    world.plane.emit(protocol.SessionNominated(session=world.added()[-1].session))
    await world.settle()

    assert other.sdp_then == ""
    assert reached(world, other.session) == 0
