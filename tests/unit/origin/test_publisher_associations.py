"""Publishers that go on at another origin with the association that they have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from origin_harness import OFFER, SIMULCAST_OFFER, RunningOrigin, World, until
from test_moving_in import accept, answer_of, move_in

from rillcast.contracts import subjects
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import FormerSession, ReofferRequest, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, SessionState
from rillcast.media import protocol


async def two(world: World) -> tuple[RunningOrigin, RunningOrigin]:
    old, new = await world.origin("origin-1"), await world.origin("origin-2")
    for number, origin in enumerate((old, new), 1):
        origin.media_node.addresses._fingerprint = ":".join([f"0{number}"] * 32)
    return old, new


async def live(world: World, at: RunningOrigin, **changes: Any) -> SessionAnswer:
    """A publisher by WebSocket that is connected, and has its stream."""
    answer = await world.publish(at, **{"movable": True, **changes})
    number = at.last_session().session
    at.plane.shake_hands(number)
    at.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: ("media", None) in world.told(answer.session))
    await world.settled_record()
    return answer


async def sent_away(world: World, at: RunningOrigin, session: SessionId) -> SessionChanged:
    """What signaling hears when its origin drains."""
    at.origin.webrtc._sessions[session].send_away()
    await world.settle()
    return next(c for c in world.changes if c.session == session and c.state is SessionState.CLOSED)


def former(left: SessionChanged) -> FormerSession | None:
    if not left.association:
        return None
    return FormerSession(node=left.node, session=left.session, association=left.association)


async def moved_in(
    world: World, old: RunningOrigin, new: RunningOrigin, first: SessionAnswer, **changes: Any
) -> SessionAnswer:
    """The client has answered the offer of the new origin, and looks for its way there."""
    left = await sent_away(world, old, first.session)
    offer = changes.get("sdp_offer", OFFER)
    answer = await move_in(world, new, sdp_answered=first.sdp, former=former(left), movable=True, **changes)
    await accept(world, new, answer.session, answer_of(offer))
    return answer


def fingerprints(sdp: str) -> set[str]:
    return {line for line in sdp.splitlines() if line.startswith("a=fingerprint")}


def reached(world: World, session: SessionId) -> int:
    return sum(change.reached for change in world.changes if change.session == session)


@pytest.mark.parametrize("offer", [OFFER, SIMULCAST_OFFER])
async def test_a_publisher_goes_on_without_a_handshake(world: World, offer: str) -> None:
    old, new = await two(world)
    first = await live(world, old, sdp_offer=offer)
    answer = await moved_in(world, old, new, first, sdp_offer=offer)
    number = new.last_session().session

    new.plane.nominate(number)
    await until(lambda: new.plane.of(protocol.ContinueSession))
    new.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: ("media", None) in world.told(answer.session))

    assert answer.keeps_association
    assert fingerprints(answer.sdp) == fingerprints(first.sdp) != fingerprints(answer.sdp_then)
    assert reached(world, answer.session) == 0
    record = await world.settled_record()
    assert (record.owner, record.publisher_session) == (new.name, answer.session)
    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [True]
    assert new.last_session().srtp is not None
    assert world.told(first.session)[-1] == ("closed", EndReason.REPLACED)


async def test_the_stream_is_claimed_while_the_former_origin_is_asked_to_stop(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    answer = await moved_in(world, old, new, first)
    number = new.last_session().session
    old.plane.deaf = True

    new.plane.nominate(number)
    new.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: old.plane.of(protocol.RemoveSession))
    record = await world.settled_record()
    assert (record.owner, record.publisher_session) == (new.name, answer.session)
    assert old.plane.of(protocol.ExportSession)[-1].stop, "asked before it forgets the session"
    assert new.plane.of(protocol.ContinueSession) == []
    assert ("media", None) not in world.told(answer.session)

    final = new.last_session().srtp
    old.plane.emit(protocol.SessionExported(session=old.last_session().session, srtp=final))
    await until(lambda: ("media", None) in world.told(answer.session))
    assert [one.srtp for one in new.plane.of(protocol.ContinueSession)] == [final]
    assert world.told(answer.session).count(("media", None)) == 1
    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [True]


@pytest.mark.parametrize("early", [False, True])
async def test_an_origin_that_dies_before_its_publisher_has_left_costs_a_handshake(world: World, early: bool) -> None:
    old, new = await two(world)
    first = await live(world, old)
    answer = await moved_in(world, old, new, first)
    number = new.last_session().session
    await old.kill()

    new.plane.nominate(number)
    if early:
        new.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: reached(world, answer.session))
    assert [restart.session for restart in new.plane.of(protocol.RestartDtls)] == [number]
    assert ("media", None) not in world.told(answer.session), "its handshake is still to come"
    new.plane.shake_hands(number)
    if not early:
        new.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: ("media", None) in world.told(answer.session))

    assert reached(world, answer.session) == 1
    assert new.plane.of(protocol.ContinueSession) == []
    record = await world.settled_record()
    assert record.owner == new.name


@pytest.mark.parametrize("how", ["error", "busy", "no sense"])
async def test_a_plane_that_does_not_go_on_costs_a_handshake(world: World, how: str) -> None:
    old, new = await two(world)
    first = await live(world, old)
    answer = await moved_in(world, old, new, first)
    number = new.last_session().session
    if how == "busy":
        new.plane.refused = protocol.ContinueSession
    if how == "no sense":
        new.plane.senseless = protocol.ContinueSession

    new.plane.nominate(number)
    if how == "error":
        await until(lambda: new.plane.of(protocol.ContinueSession))
        for _ in range(2):
            new.plane.emit(protocol.Error(command="continue_session", id=number, message="no"))
    await until(lambda: reached(world, answer.session))
    await world.settle()

    assert len(new.plane.of(protocol.RestartDtls)) == 1
    assert reached(world, answer.session) == 1


async def test_keys_that_make_no_sense_are_not_used_at_all(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    new.plane.senseless = protocol.AddSession
    answer = await moved_in(world, old, new, first)
    new.plane.nominate(new.last_session().session)
    await until(lambda: reached(world, answer.session))

    assert new.last_session().srtp is None
    assert new.plane.of(protocol.RestartDtls) == []


async def test_a_plane_that_takes_no_restart_either_lets_the_move_come_to_nothing(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    answer = await moved_in(world, old, new, first)
    await old.kill()
    new.plane.refused = protocol.RestartDtls

    new.plane.nominate(new.last_session().session)
    await until(lambda: reached(world, answer.session))

    assert new.plane.of(protocol.RestartDtls) == []


async def test_what_the_former_origin_does_not_give_is_done_without(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    left = await sent_away(world, old, first.session)
    guessed = FormerSession(node=old.name, session=first.session, association="0" * 32)
    assert left.association != guessed.association

    answer = await move_in(world, new, sdp_answered=first.sdp, former=guessed)
    await accept(world, new, answer.session, answer_of(OFFER))
    new.plane.nominate(new.last_session().session)
    await until(lambda: reached(world, answer.session))

    assert (answer.keeps_association, bool(answer.sdp_then)) == (False, True)
    assert new.last_session().srtp is None
    assert new.plane.of(protocol.RestartDtls) == []


async def test_only_a_connected_client_with_a_socket_has_something_to_hand_over(world: World) -> None:
    old, _new = await two(world)
    whip = await live(world, old, movable=False)
    shaking = await world.publish(old, movable=True, stream="s2")

    left = [await sent_away(world, old, one.session) for one in (whip, shaking)]

    assert [change.association for change in left] == ["", ""]
    assert len(old.origin.webrtc.associations.giver) == 0


async def test_who_moved_so_moves_so_again_and_restarts_ice_with_the_same_certificate(world: World) -> None:
    old, new = await two(world)
    third = await world.origin("origin-3")
    first = await live(world, old)
    second = await moved_in(world, old, new, first)
    number = new.last_session().session
    new.plane.nominate(number)
    new.plane.emit(protocol.SessionMedia(session=number))
    await until(lambda: ("media", None) in world.told(second.session))
    await world.settled_record()

    restarted = answer_of(OFFER, **{"a=setup:": "a=setup:actpass", "a=ice-ufrag:": "a=ice-ufrag:again"})
    asked = ReofferRequest(session=second.session, sdp_offer=restarted)
    again = await world.bus.request(subjects.origin_reoffer(new.name), asked, SessionAnswer)
    answer = await moved_in(world, new, third, second)
    third.plane.nominate(third.last_session().session)
    await until(lambda: third.plane.of(protocol.ContinueSession))

    assert fingerprints(again.sdp) == fingerprints(answer.sdp) == fingerprints(first.sdp)
    assert reached(world, answer.session) == 0


async def test_a_stopped_session_hears_no_goodbye_however_it_ends(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    await moved_in(world, old, new, first)
    new.plane.refused = protocol.RequestKeyframe
    new.origin.owner.media_is_due = lambda session: None  # type: ignore[method-assign]
    new.plane.nominate(new.last_session().session)
    await until(lambda: new.plane.of(protocol.ContinueSession))

    await world.close(old, first.session)

    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [True]


async def test_a_publisher_that_stops_meanwhile_goes_on_nowhere(world: World) -> None:
    old, new = await two(world)
    first = await live(world, old)
    answer = await moved_in(world, old, new, first)

    new.plane.nominate(new.last_session().session)
    await asyncio.gather(world.close(new, answer.session), world.close(old, first.session))
    await world.settle()
    await new.media_node.tasks.settle(1.0)

    assert new.plane.of(protocol.ContinueSession) == []
    assert new.plane.of(protocol.RestartDtls) == []
    assert [len(origin.origin.webrtc.associations.giver) for origin in (old, new)] == [0, 0]
    assert old.plane.living == new.plane.living == {}
