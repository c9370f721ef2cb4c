"""What is noted of joins."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import (
    MOST_MOVES,
    NODE_GONE,
    ClusterEvent,
    EventKind,
    SessionFate,
    SessionMove,
)
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId, session_mark
from rillcast.contracts.messages import NodeInfo, NodeLoad, NodeReport, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, NodeKind, Role, SessionState
from services.signaling.core.domain.identity import Client, Credentials
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.core.usecases import join_chronicle
from services.signaling.core.usecases.join_chronicle import MOVE_S, JoinChronicle

LIVE, TALK = AppName("live"), StreamId("talk")
EDGE, OTHER_EDGE, ORIGIN = NodeId("edge-1"), NodeId("edge-2"), NodeId("origin-1")
CLIENT = Client(address="192.0.2.7")
ONE, TWO = SessionId("one"), SessionId("two")


def info(node: NodeId, incarnation: str = "x", kind: NodeKind = NodeKind.EDGE) -> NodeInfo:
    return NodeInfo(
        node=node, kind=kind, version="1", zone=f"zone-of-{node}", admin_address="h:1", incarnation=incarnation
    )


def report(node: NodeId, **fields: object) -> NodeReport:
    made = NodeReport(info=info(node), load=NodeLoad(), ready=True)
    return msgspec.structs.replace(made, **fields)


class Site:
    """What notes, with what it noted; nodes in zones, a clock."""

    def __init__(self) -> None:
        self.noted: list[tuple[ClusterEvent, str]] = []
        self.now_s = 1_000.0
        self.live: dict[str, LiveStream] = {}
        self.joins = JoinChronicle(
            NodeId("signaling-1"),
            "inc",
            self,
            self,
            subscriber_of=lambda session: "ada" if session == ONE else "",
            wall_clock=lambda: self.now_s,
        )

    def note(self, event: ClusterEvent, name: str = "") -> None:
        self.noted.append((event, name))

    def last(self, node: NodeId) -> NodeReport | None:
        return report(node)

    def by_key(self, key: str) -> LiveStream | None:
        return self.live.get(key)

    def play(self, session: SessionId = ONE, node: NodeId = EDGE, took_s: float = 0.25) -> None:
        join = ViewerJoin(app=LIVE, stream=TALK, session=session, client=CLIENT)
        self.joins.opened(join, SessionAnswer(session=session, node=node, sdp=""), took_s)

    def publish(self, session: SessionId = TWO, node: NodeId = ORIGIN, *, arriving: bool = False) -> None:
        join = PublisherJoin(
            app=LIVE, stream=TALK, session=session, client=CLIENT, credentials=Credentials(), sdp_offer=""
        )
        self.joins.opened(join, SessionAnswer(session=session, node=node, sdp=""), 0.0, arriving=arriving)

    def says(self, state: SessionState, session: SessionId = ONE, node: NodeId = EDGE, **fields: object) -> None:
        self.joins.changed(SessionChanged(session=session, node=node, state=state, **fields))  # type: ignore[arg-type]

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event, _ in self.noted]

    @property
    def fate(self) -> SessionFate:
        fate = self.noted[-1][0].session
        assert fate is not None
        return fate


async def test_a_viewer_is_noted_when_it_is_there_and_when_it_is_gone_with_all_its_stages() -> None:
    site = Site()
    site.play()
    site.now_s += 1
    site.says(SessionState.CONNECTED)
    site.now_s += 1
    site.says(SessionState.MEDIA)
    site.now_s += 1
    site.says(SessionState.CLOSED, reason=EndReason.DTLS_CLOSED)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT]
    event = site.noted[-1][0]
    assert (event.app, event.stream, event.node, event.zone) == ("live", "talk", "edge-1", "zone-of-edge-1")
    assert site.fate == SessionFate(
        id="signaling-1/inc/1",
        role=Role.PLAY,
        mark=session_mark(ONE),
        who="ada",
        address="192.0.2.7",
        instance="signaling-1/inc",
        asked_ms=999_750,
        opened_ms=1_000_000,
        connected_ms=1_001_000,
        media_ms=1_002_000,
        ended_ms=1_003_000,
        reason="dtls_closed",
    )
    assert len(site.joins) == 0


async def test_media_that_comes_together_with_the_connection_counts_for_both() -> None:
    site = Site()
    site.publish()
    site.says(SessionState.MEDIA, TWO, ORIGIN)

    assert site.kinds == [EventKind.PUBLISHER_JOINED]
    assert site.fate.connected_ms == site.fate.media_ms == 1_000_000


async def test_who_never_connects_has_failed() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CLOSED, reason=EndReason.ICE_TIMEOUT)

    assert site.kinds == [EventKind.JOIN_FAILED]
    assert (site.fate.reason, site.fate.connected_ms) == ("ice_timeout", 0)


async def test_whom_this_instance_ends_is_noted_with_its_reason_and_once() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    site.joins.ending(ONE, EndReason.SOCKET_CLOSED)
    site.joins.over(ONE)
    site.joins.over(ONE)
    site.says(SessionState.CLOSED, reason=EndReason.REMOVED)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT]
    assert site.fate.reason == "socket_closed"


async def test_a_viewer_whose_edge_drains_stays_one_join_that_says_when_it_moved() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    site.now_s += 1
    site.says(SessionState.CLOSED, reason=EndReason.DRAINING)
    site.joins.moved(ONE, TWO)
    site.joins.over(ONE)
    site.play(TWO, OTHER_EDGE)
    site.now_s += 1
    site.says(SessionState.CONNECTED, TWO, OTHER_EDGE)
    await asyncio.sleep(MOVE_S + 1)
    site.says(SessionState.CLOSED, TWO, OTHER_EDGE, reason=EndReason.DTLS_CLOSED)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_MOVED, EventKind.VIEWER_LEFT]
    assert len({event.session and event.session.id for event, _ in site.noted}) == 1
    assert (site.fate.moves, site.noted[-1][0].node, site.fate.who) == (1, "edge-2", "ada")
    move = SessionMove(at_ms=1_001_000, left="edge-1", why="draining", node="edge-2", back_ms=1_002_000)
    assert site.fate.trail == (move,)


@pytest.mark.parametrize("told_first", [True, False])
async def test_a_viewer_whose_edge_dies_stays_one_join_whoever_hears_of_it_first(told_first: bool) -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    if told_first:
        site.joins.node_gone(report(EDGE))
    site.joins.moved(ONE, TWO)
    site.joins.over(ONE)
    if not told_first:
        site.joins.node_gone(report(EDGE))
    site.now_s += 2
    site.play(TWO, OTHER_EDGE)
    site.says(SessionState.MEDIA, TWO, OTHER_EDGE)
    await asyncio.sleep(MOVE_S + 1)
    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_MOVED]
    assert site.fate.trail == (
        SessionMove(at_ms=1_000_000, left="edge-1", why=NODE_GONE, node="edge-2", back_ms=1_002_000),
    )

    site.joins.ending(TWO, EndReason.STOPPED)
    site.joins.over(TWO)
    assert site.kinds[2:] == [EventKind.VIEWER_LEFT]
    assert len(site.joins) == 0


async def test_a_viewer_that_moves_before_it_was_ever_connected_joins_at_its_second_edge() -> None:
    site = Site()
    site.play()
    site.joins.moved(ONE, TWO)
    site.play(TWO, OTHER_EDGE)
    site.says(SessionState.CONNECTED, TWO, OTHER_EDGE)

    assert site.kinds == [EventKind.VIEWER_JOINED]
    assert (site.noted[0][0].node, site.fate.moves) == ("edge-2", 1)


async def test_a_viewer_for_whom_no_other_edge_is_found_has_left_with_the_code_of_the_refusal() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    site.joins.moved(ONE, TWO)
    site.joins.over(TWO)  # as `Joins` does before it raises
    join = ViewerJoin(app=LIVE, stream=TALK, session=TWO, client=CLIENT)
    site.joins.not_opened(join, RillcastError(ErrorCode.NO_NODE_AVAILABLE, "none"), 0.5)
    await asyncio.sleep(0)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT]
    assert site.fate.reason == ErrorCode.NO_NODE_AVAILABLE.value
    assert site.fate.trail == (SessionMove(at_ms=1_000_000, left="edge-1", why=NODE_GONE),)


async def test_a_viewer_that_goes_while_another_edge_is_asked_has_left() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    site.joins.moved(ONE, TWO)
    site.joins.over(TWO)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT]
    assert (site.fate.reason, len(site.joins)) == ("stopped", 0)


async def test_only_the_last_moves_are_kept_and_all_are_counted() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    session = ONE
    for number in range(MOST_MOVES + 2):
        following = SessionId(f"s{number}")
        site.joins.moved(session, following)
        site.play(following, NodeId(f"edge-{number}"))
        site.says(SessionState.CONNECTED, following, NodeId(f"edge-{number}"))
        session = following

    assert site.fate.moves == MOST_MOVES + 2
    assert [move.node for move in site.fate.trail] == [f"edge-{number}" for number in range(2, MOST_MOVES + 2)]


async def test_a_publisher_that_goes_on_at_another_origin_stays_one_join() -> None:
    site = Site()
    other = NodeId("origin-2")
    site.publish(ONE)
    site.says(SessionState.MEDIA, ONE, ORIGIN)
    site.says(SessionState.CLOSED, ONE, ORIGIN, reason=EndReason.DRAINING)
    site.now_s += 1
    site.publish(TWO, other, arriving=True)
    site.says(SessionState.MEDIA, TWO, other)
    assert site.kinds == [EventKind.PUBLISHER_JOINED]

    site.joins.moved(ONE, TWO)
    assert site.kinds == [EventKind.PUBLISHER_JOINED, EventKind.PUBLISHER_MOVED]
    move = SessionMove(at_ms=1_000_000, left="origin-1", why="draining", node="origin-2", back_ms=1_001_000)
    assert site.fate.trail == (move,)
    assert len({event.session and event.session.id for event, _ in site.noted}) == 1


async def test_of_a_move_that_comes_to_nothing_nothing_is_told() -> None:
    site = Site()
    site.publish(TWO, arriving=True)
    site.says(SessionState.CONNECTED, TWO, ORIGIN)
    site.joins.over(TWO)

    assert (site.noted, len(site.joins)) == ([], 0)


async def test_a_publisher_whose_move_took_too_long_is_a_join_of_its_own() -> None:
    site = Site()
    site.publish(TWO, arriving=True)
    site.says(SessionState.MEDIA, TWO, ORIGIN)
    site.joins.moved(ONE, TWO)

    assert site.kinds == [EventKind.PUBLISHER_JOINED]


async def test_a_client_that_begins_anew_in_its_socket_is_another_join() -> None:
    site = Site()
    site.play(ONE)
    site.says(SessionState.CONNECTED)
    site.play(TWO)
    site.joins.ending(ONE, EndReason.REPLACED)
    site.joins.over(ONE)
    assert (site.fate.reason, site.fate.id) == ("replaced", "signaling-1/inc/1")

    site.says(SessionState.CONNECTED, TWO)
    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT, EventKind.VIEWER_JOINED]
    assert (site.fate.id, site.fate.moves) == ("signaling-1/inc/2", 0)


async def test_a_viewer_that_is_sent_away_and_not_moved_has_left_after_a_while() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CONNECTED)
    site.says(SessionState.CLOSED, reason=EndReason.DRAINING)
    site.joins.over(ONE)
    assert site.kinds == [EventKind.VIEWER_JOINED]

    await asyncio.sleep(MOVE_S + 1)

    assert site.kinds == [EventKind.VIEWER_JOINED, EventKind.VIEWER_LEFT]
    assert site.fate.reason == "draining"


async def test_sessions_of_a_node_that_dies_are_over_unless_they_move() -> None:
    site = Site()
    site.play(ONE)
    site.play(TWO)
    for session in (ONE, TWO):
        site.says(SessionState.CONNECTED, session)
    site.joins.node_gone(report(EDGE))
    site.joins.moved(ONE, SessionId("three"))
    site.play(SessionId("three"), OTHER_EDGE)
    site.now_s += MOVE_S
    await asyncio.sleep(MOVE_S + 1)

    assert site.kinds[2:] == [EventKind.VIEWER_LEFT]
    assert (site.fate.reason, site.fate.ended_ms) == (NODE_GONE, 1_000_000)


async def test_what_another_node_says_of_a_session_is_not_believed() -> None:
    site = Site()
    site.play()
    site.says(SessionState.CLOSED, node=OTHER_EDGE, reason=EndReason.DTLS_CLOSED)

    assert site.noted == []


async def test_measurements_are_no_events() -> None:
    site = Site()
    site.play()
    site.joins.changed(SessionChanged(session=ONE, node=EDGE, target_bitrate_bps=1))

    assert site.noted == []


async def test_a_join_that_no_node_takes_is_refused_with_its_code() -> None:
    site = Site()
    join = ViewerJoin(app=LIVE, stream=TALK, session=ONE, client=CLIENT)
    site.joins.not_opened(join, RillcastError(ErrorCode.NO_NODE_AVAILABLE, "none"), 0.5)

    assert site.kinds == [EventKind.JOIN_REFUSED]
    assert site.fate.reason == ErrorCode.NO_NODE_AVAILABLE.value
    assert site.fate.ended_ms - site.fate.asked_ms == 500


async def test_whatever_a_client_said_the_journal_takes_it() -> None:
    site = Site()
    client = Client(address="a" * 1_000)
    join = ViewerJoin(app=AppName("\ud800" * 1_000), stream=StreamId("\x00\n" * 1_000), session=ONE, client=client)
    site.joins.not_opened(join, RillcastError(ErrorCode.NO_NODE_AVAILABLE, "none"), 0.0)

    event = site.noted[0][0]
    assert msgspec.json.decode(msgspec.json.encode(event), type=ClusterEvent) == event


async def test_no_more_sessions_are_known_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_chronicle, "MOST_LIVE", 1)
    site = Site()
    site.play(ONE)
    site.play(TWO)

    assert len(site.joins) == 1
