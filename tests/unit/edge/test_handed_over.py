"""Viewers who go on at another edge with the association that they have."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
from edge_harness import APP, STREAM, VIDEO, until
from test_viewer_join import answer_to
from two_edges import At, Edges

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId, StreamId, new_session_id
from rillcast.contracts.messages import FormerSession, PlaySubscription, SessionAnswer
from rillcast.contracts.words import EndReason, MediaKind, SessionState
from rillcast.media import protocol
from rillcast.node.association_taker import TakeoverState


@pytest_asyncio.fixture
async def edges() -> AsyncIterator[Edges]:
    async with Edges() as edges:
        yield edges


def lines(sdp: str, start: str) -> set[str]:
    return {line for line in sdp.splitlines() if line.startswith(start)}


async def go_on(edges: Edges, old: At, new: At, session: SessionId) -> SessionAnswer:
    """The viewer moves, and its ICE has chosen the new edge."""
    answer = await new.moved_in(await old.sent_away(session))
    await new.accept(answer.session, answer_to(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await edges.settle()
    return answer


def never_twice(edges: Edges) -> None:
    assert [packet for packet, times in Counter(edges.packets()).items() if times > 1] == []


async def test_a_viewer_goes_on_with_the_next_packet_and_hears_one_offer(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await go_on(edges, old, new, first.session)
    edges.old.links.send()
    new.links.send()

    for start in ("a=fingerprint", "a=ssrc"):
        assert lines(answer.sdp, start) == lines(first.sdp, start) != lines(answer.sdp_then, start)
    assert answer.keeps_association
    assert new.reached(answer.session) == 0, "no second offer"
    assert new.told(answer.session)[0] == ("connected", None)
    by_stream: dict[int, list[int]] = {}
    for packet in edges.packets():
        by_stream.setdefault(packet.ssrc, []).append(packet.number)
    assert all(indexes == [0, 1] for indexes in by_stream.values())
    assert len({packet.key for packet in edges.packets()}) == 1


async def test_the_former_edge_ends_the_session_without_a_word(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()

    await go_on(edges, old, new, first.session)

    assert [(removed.silent) for removed in old.plane.of(protocol.RemoveSession)] == [True]
    assert len(old.edge.viewers) == len(old.edge.associations.giver) == 0
    assert old.told(first.session)[-1] == ("closed", EndReason.DRAINING), "signaling hears of it once"
    assert not await old.close(first.session)


async def test_nothing_is_sent_before_the_former_edge_has_stopped(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))
    old.links.send()
    new.links.send()

    assert new.links.packets == []
    assert new.told(answer.session) == []
    assert len(old.links.packets) == 2 * len({packet.ssrc for packet in old.links.packets})


async def test_who_moved_so_moves_so_again(edges: Edges) -> None:
    old, new, third = edges.all
    first = await old.watched()
    second = await go_on(edges, old, new, first.session)
    new.links.send()
    answer = await go_on(edges, new, third, second.session)
    third.links.send()

    assert lines(answer.sdp, "a=fingerprint") == lines(first.sdp, "a=fingerprint")
    assert lines(answer.sdp, "a=ssrc") == lines(first.sdp, "a=ssrc")
    assert {packet.key for packet in third.links.packets} == {packet.key for packet in old.links.packets}
    never_twice(edges)


async def shaken(edges: Edges, new: At, answer: SessionAnswer) -> None:
    """The viewer was told to shake hands anew, and does."""
    number = new.number(answer.session)
    (restart,) = new.plane.of(protocol.RestartDtls)
    assert restart.session == number
    assert {f"a=ssrc:{track.ssrc}" for track in restart.send} <= {
        line.split()[0] for line in lines(answer.sdp_then, "a=ssrc:")
    }
    assert all(track.source is not None for track in restart.send)
    assert new.reached(answer.session) == 1
    new.links.shake_hands(number)
    new.links.send()
    await edges.settle()
    assert new.told(answer.session)[0] == ("connected", None)
    never_twice(edges)


async def test_an_edge_that_dies_before_the_viewer_has_left_it_costs_a_handshake(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))
    await edges.gone(old.node)

    new.links.nominate(new.number(answer.session))
    await until(lambda: new.reached(answer.session))

    await shaken(edges, new, answer)


async def test_a_session_that_is_closed_while_its_keys_are_waited_for_is_refused_in_words(edges: Edges) -> None:
    old, new = edges.old, edges.new
    left = await old.sent_away((await old.watched()).session)
    old.links.deaf = True
    session = new_session_id()
    moving = asyncio.ensure_future(new.moved_in(left, session=session))
    await until(lambda: new.edge.viewers.session(session) is not None)
    assert await new.close(session)

    with pytest.raises(RillcastError) as refused:
        await moving
    assert refused.value.code is ErrorCode.UNKNOWN_SESSION
    assert len(new.edge.viewers) == 0


async def test_a_viewer_who_comes_after_its_edge_has_cut_it_off_shakes_hands_anew(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))
    await old.close(first.session)

    new.links.nominate(new.number(answer.session))
    await edges.settle()

    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [False]
    await shaken(edges, new, answer)


async def test_an_edge_that_answers_late_has_stopped_and_nobody_sends_under_its_keys(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))
    old.links.deaf = True

    new.links.nominate(new.number(answer.session))
    await until(lambda: new.reached(answer.session))
    before = len(old.links.packets)
    old.links.send()

    assert len(old.links.packets) == before
    await shaken(edges, new, answer)


async def test_a_plane_that_does_not_go_on_costs_a_handshake(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await go_on(edges, old, new, first.session)
    new.plane.emit(protocol.Error(command="continue_session", id=new.number(answer.session), message="no"))
    await edges.settle()

    assert new.reached(answer.session) == 1
    assert len(new.plane.of(protocol.RestartDtls)) == 1
    new.plane.emit(protocol.Error(command="continue_session", id=new.number(answer.session), message="no"))
    assert len(new.plane.of(protocol.RestartDtls)) == 1


@pytest.mark.parametrize("how", ["no sense at first", "no sense at last", "busy"])
async def test_what_the_plane_does_not_take_costs_a_handshake(edges: Edges, how: str) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    new.links.senseless = protocol.AddSession if how == "no sense at first" else protocol.ContinueSession
    if how == "busy":
        new.links.senseless, new.links.busy_for = None, (protocol.ContinueSession,)
    await new.accept(answer.session, answer_to(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await edges.settle()

    assert new.reached(answer.session) == 1
    assert len(new.plane.of(protocol.RestartDtls)) == (how != "no sense at first")
    assert (new.added()[-1].srtp is None) == (how == "no sense at first")
    new.links.shake_hands(new.number(answer.session))
    await edges.settle()
    assert new.told(answer.session)[0] == ("connected", None)


async def test_of_two_edges_that_were_asked_the_one_that_is_chosen_goes_on(edges: Edges) -> None:
    old, new, third = edges.all
    first = await old.watched()
    left = await old.sent_away(first.session)
    answers = [(edge, await edge.moved_in(left)) for edge in (new, third)]
    for edge, answer in answers:
        await edge.accept(answer.session, answer_to(answer.sdp))
    for edge, answer in answers:
        edge.links.nominate(edge.number(answer.session))
    await edges.settle()
    for edge in edges.all:
        edge.links.send()

    assert [edge.reached(answer.session) for edge, answer in answers] == [0, 1]
    never_twice(edges)


@pytest.mark.parametrize("how", ["no secret", "wrong secret", "another session", "gone", "dead"])
async def test_what_the_former_edge_does_not_give_is_done_without(edges: Edges, how: str) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    left = await old.sent_away(first.session)
    former: FormerSession | None = FormerSession(node=old.node, session=first.session, association=left.association)
    assert former is not None
    match how:
        case "no secret":
            former = None
        case "wrong secret":
            former = msgspec.structs.replace(former, association="0" * 32)
        case "another session":
            former = msgspec.structs.replace(former, session=SessionId("other"))
        case "gone":
            await old.close(first.session)
        case _:
            await edges.gone(old.node)

    answer = await new.play(sdp_offered=left.sdp_offered, former=former)
    await new.accept(answer.session, answer_to(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await edges.settle()

    assert answer.sdp_then
    assert not answer.keeps_association
    assert new.reached(answer.session) == 1
    assert new.added()[-1].srtp is None
    assert new.plane.of(protocol.RestartDtls) == []


async def test_who_has_other_streams_than_the_former_edge_sends_shakes_hands_anew(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    number = old.number(first.session)
    old.links.living[number].indexes.popitem()
    answer = await go_on(edges, old, new, first.session)

    assert new.added()[-1].srtp is None
    assert {track.ssrc for track in new.sends(answer.session)} <= {
        int(line.split()[0][7:]) for line in lines(answer.sdp_then, "a=ssrc:")
    }
    assert new.reached(answer.session) == 1


async def test_offers_that_differ_ask_for_nothing(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    left = await old.sent_away(first.session)
    await new.live(epoch=2, tracks=(VIDEO,))

    answer = await new.moved_in(left)

    assert (answer.sdp_then, answer.keeps_association) == ("", False)
    assert old.plane.of(protocol.ExportSession) == []


async def test_who_is_not_connected_or_came_by_whep_has_nothing_to_hand_over(edges: Edges) -> None:
    old = edges.old
    offered, shaking, whep = await old.play(), await old.play(), await old.whep()
    await old.accept(shaking.session, answer_to(shaking.sdp))
    old.connect(old.number(whep.session))

    left = [await old.sent_away(one.session) for one in (offered, shaking, whep)]

    assert [change.association for change in left] == [""] * 3
    assert len(old.edge.associations.giver) == 0


async def test_a_viewer_who_leaves_meanwhile_goes_on_nowhere(edges: Edges) -> None:
    old, new = edges.old, edges.new
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await new.close(answer.session)
    await edges.settle()

    assert new.plane.of(protocol.ContinueSession) == []
    assert new.plane.of(protocol.RestartDtls) == []
    for edge in (old, new):
        assert len(edge.edge.viewers) == 0
        assert set(edge.links.living) == set()


async def test_the_next_edges_own_drain_comes_before_the_viewer(edges: Edges) -> None:
    old, new, third = edges.all
    first = await old.watched()
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, answer_to(answer.sdp))

    left = await new.sent_away(answer.session)
    again = await third.moved_in(left)

    assert (left.sdp_offered, left.association) == ("", "")
    assert (again.sdp_then, again.keeps_association) == ("", False)


async def test_muted_tracks_several_streams_and_forced_heights_go_on_likewise(edges: Edges) -> None:
    old, new = edges.old, edges.new
    second = StreamId("s2")
    for edge in (old, new):
        await edge.live(stream=second)
    wanted = tuple(PlaySubscription(app=APP, stream=stream) for stream in (STREAM, second))
    first = await old.watched(subscriptions=wanted)
    answer = await new.moved_in(await old.sent_away(first.session), subscriptions=wanted)
    viewer = new.edge.viewers.session(answer.session)
    assert viewer is not None
    for subscription in viewer.subscriptions:
        subscription.wishes.muted.add(MediaKind.VIDEO)
    await new.accept(answer.session, answer_to(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await edges.settle()

    assert [track.source is None for track in new.sends(answer.session)] == [True, False, True, False]
    assert viewer.takeover is not None
    assert viewer.takeover.state is TakeoverState.KEPT
    assert len(new.links.living[viewer.plane_session].indexes) == 6


async def test_a_line_that_the_viewer_refused_is_no_difference(edges: Edges) -> None:
    old, new = edges.old, edges.new

    def without_sound(sdp: str) -> str:
        head, video, _sound = answer_to(sdp).split("m=")
        assert video.startswith("video")
        return f"{head}m={video}m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=inactive\r\n"

    first = await old.play()
    await old.accept(first.session, without_sound(first.sdp))
    old.links.shake_hands(old.number(first.session))
    answer = await new.moved_in(await old.sent_away(first.session))
    await new.accept(answer.session, without_sound(answer.sdp))
    new.links.nominate(new.number(answer.session))
    await edges.settle()

    assert new.reached(answer.session) == 0
    assert [track.kind for track in new.sends(answer.session)] == [MediaKind.VIDEO]


async def test_a_whole_drain_moves_its_viewers_so_and_is_done(edges: Edges) -> None:
    old, new = edges.old, edges.new
    viewers = [await old.watched() for _ in range(3)]
    old.media.draining = True
    leaving = asyncio.create_task(old.edge.drain.leave(old.departure()))

    for viewer in viewers:
        await until(lambda session=viewer.session: (SessionState.CLOSED, EndReason.DRAINING) in old.told(session))
        left = next(c for c in old.changes if c.session == viewer.session and c.association)
        answer = await new.moved_in(left)
        await new.accept(answer.session, answer_to(answer.sdp))
        new.links.nominate(new.number(answer.session))
    await leaving
    new.links.send()

    assert len(old.edge.viewers) == 0
    assert [removed.silent for removed in old.plane.of(protocol.RemoveSession)] == [True] * 3
    assert sum(change.reached for change in new.changes) == 0
    never_twice(edges)
