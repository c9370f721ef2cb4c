"""Notes what becomes of each join that this instance opens: when it came how far, and why it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.event_records import (
    MOST_MOVES,
    NODE_GONE,
    ClusterEvent,
    EventKind,
    SessionFate,
    SessionMove,
)
from rillcast.contracts.ids import NodeId, SessionId, session_mark
from rillcast.contracts.messages import NodeReport, SessionAnswer, SessionChanged
from rillcast.contracts.words import EndReason, NodeKind, Role, SessionState
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.admission_rules import Applicant
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin

log = get_logger(__name__)

MOST_LIVE = 100_000
"""Sessions whose fate is noted; of further ones nothing is."""
MOVE_S = 5.0
"""In this time a session whose node drains, or is gone, goes on elsewhere, or it is over."""
_MAY_MOVE = frozenset({EndReason.DRAINING.value, NODE_GONE})
"""Reasons after which a client goes on elsewhere, if it can."""
MOST_WORD = 256
"""Characters of what a client said that are kept."""
_JOINED = {Role.PUBLISH: EventKind.PUBLISHER_JOINED, Role.PLAY: EventKind.VIEWER_JOINED}
_LEFT = {Role.PUBLISH: EventKind.PUBLISHER_LEFT, Role.PLAY: EventKind.VIEWER_LEFT}
_MOVED = {Role.PUBLISH: EventKind.PUBLISHER_MOVED, Role.PLAY: EventKind.VIEWER_MOVED}


class Notes(Protocol):
    """The part of `Chronicle` that this needs."""

    def note(self, event: ClusterEvent, name: str = "") -> None: ...


class ReportsOfNodes(Protocol):
    """The part of `NodeDirectory` that says where a node is."""

    def last(self, node: NodeId) -> NodeReport | None: ...


class _Live(msgspec.Struct):
    """A session that a node has opened."""

    id: str
    mark: str
    role: Role
    app: str
    stream: str
    who: str
    address: str
    node: NodeId
    asked_ms: int
    opened_ms: int
    connected_ms: int = 0
    media_ms: int = 0
    ends: str = ""
    """Why it is going to end."""
    ends_ms: int = 0
    """Since when that is known."""
    moves: int = 0
    trail: tuple[SessionMove, ...] = ()
    away: bool = False
    """It has left its node, and is not connected to the next one."""
    opening: bool = False
    """The next node is still to be found."""
    arriving: bool = False
    """A publisher is to go on in it, and has not yet: nothing is told of it."""


class JoinChronicle:
    """One per signaling instance; a `joins.Witness`. What it is told costs some microseconds, and waits for nobody."""

    def __init__(
        self,
        instance: NodeId,
        incarnation: str,
        notes: Notes,
        nodes: ReportsOfNodes,
        *,
        subscriber_of: Callable[[SessionId], str],
        wall_clock: Callable[[], float],
    ) -> None:
        """`wall_clock`: Unix time in seconds."""
        self._instance = f"{instance}/{incarnation}"
        self._notes = notes
        self._nodes = nodes
        self._subscriber_of = subscriber_of
        self._wall_clock = wall_clock
        self._live: dict[SessionId, _Live] = {}
        self._count = 0

    def __len__(self) -> int:
        """Sessions whose end is still to be noted."""
        return len(self._live)

    # ---- what joins and admission tell

    def opened(
        self, join: PublisherJoin | ViewerJoin, answer: SessionAnswer, took_s: float, *, arriving: bool = False
    ) -> None:
        """A node has the session. `arriving`: a publisher is to go on in it when its media comes."""
        moved = self._live.get(answer.session)
        if moved is not None:
            moved.node, moved.opening = answer.node, False
            return
        if len(self._live) >= MOST_LIVE:
            metrics.EVENTS_DROPPED.labels("sessions").inc()
            return
        now_ms = self._now_ms()
        self._count += 1
        self._live[answer.session] = _Live(
            id=f"{self._instance}/{self._count}",
            mark=session_mark(answer.session),
            role=Role.PUBLISH if isinstance(join, PublisherJoin) else Role.PLAY,
            app=join.app,
            stream=join.stream,
            who=_word(self._subscriber_of(answer.session)),
            address=_word(join.client.address),
            node=answer.node,
            asked_ms=now_ms - int(took_s * 1_000),
            opened_ms=now_ms,
            arriving=arriving,
        )

    def not_opened(self, join: PublisherJoin | ViewerJoin, error: RillcastError, took_s: float) -> None:
        """No node took the session."""
        moved = self._live.get(join.session)
        if moved is not None:
            self._over(join.session, moved, error.code.value)
            return
        role = Role.PUBLISH if isinstance(join, PublisherJoin) else Role.PLAY
        self._refused(role, (join.app, join.stream), join.client.address, error.code.value, took_s)

    def refused(self, applicant: Applicant, error: RillcastError) -> None:
        """Admission did not let it in."""
        path = (applicant.app, applicant.stream)
        self._refused(applicant.role, path, applicant.client.address, error.code.value, 0.0)

    def changed(self, event: SessionChanged) -> None:
        """What a node says of a session, before anybody acts upon it."""
        if event.state is None or (live := self._live.get(event.session)) is None or event.node != live.node:
            return
        if event.state is SessionState.CLOSED:
            self._closed(event.session, live, event.reason or EndReason.OTHER)
            return
        now_ms = self._now_ms()
        if event.state is SessionState.MEDIA:
            live.media_ms = live.media_ms or now_ms
        first, live.connected_ms = not live.connected_ms, live.connected_ms or now_ms
        if live.arriving:
            return
        if live.away:
            self._back(live, now_ms, first=first)
        elif first:
            self._note(_JOINED[live.role], live, now_ms)

    def moved(self, old: SessionId, new: SessionId) -> None:
        """The client goes on in another session because of its node. Another one has opened it, or is about to."""
        after = self._live.get(new)
        before = self._live.pop(old, None)
        if before is None:
            if after is not None:  # the former one was over already
                self._arrived(after)
            return
        now_ms = self._now_ms()
        why, at_ms = before.ends or NODE_GONE, before.ends_ms or now_ms
        before.moves += 1
        before.trail = (*before.trail, SessionMove(at_ms=at_ms, left=before.node, why=why))[-MOST_MOVES:]
        before.away, before.ends, before.ends_ms = True, "", 0
        before.opening = after is None
        before.mark = session_mark(new)
        self._live[new] = before
        if after is not None:
            before.node = after.node
            if after.connected_ms:
                first, before.connected_ms = not before.connected_ms, before.connected_ms or after.connected_ms
                before.media_ms = before.media_ms or after.media_ms
                self._back(before, after.connected_ms, first=first)

    def ending(self, session: SessionId, reason: EndReason) -> None:
        """This instance is about to end it."""
        live = self._live.get(session)
        if live is not None:
            live.ends, live.ends_ms = reason.value, 0

    def over(self, session: SessionId) -> None:
        """It is over, as far as this instance is concerned."""
        live = self._live.get(session)
        if live is None:
            return
        if live.opening:  # `not_opened` says why, if no node was to be found
            asyncio.get_running_loop().call_soon(self._given_up, session)
        elif live.ends not in _MAY_MOVE:  # those have a moment to go on elsewhere
            self._over(session, live, live.ends or EndReason.STOPPED.value)

    def node_gone(self, report: NodeReport) -> None:
        """A node died or left. Whose session was there has a moment to go on elsewhere."""
        node = report.info.node
        there = [session for session, live in self._live.items() if live.node == node and not live.opening]
        self._wait(there, node, NODE_GONE)

    # ---- inside

    def _closed(self, session: SessionId, live: _Live, reason: EndReason) -> None:
        if reason is EndReason.DRAINING and not live.arriving:
            self._wait([session], live.node, reason.value)
        else:
            self._over(session, live, reason.value)

    def _wait(self, sessions: list[SessionId], node: NodeId, why: str) -> None:
        """Their node is gone, or goes: they have a moment to go on elsewhere."""
        now_ms = self._now_ms()
        for session in sessions:
            live = self._live[session]
            if not live.ends:
                live.ends, live.ends_ms = why, now_ms
        if sessions:
            asyncio.get_running_loop().call_later(MOVE_S, self._not_moved, sessions, node)

    def _not_moved(self, sessions: list[SessionId], node: NodeId) -> None:
        for session in sessions:
            live = self._live.get(session)
            if live is not None and live.node == node and live.ends in _MAY_MOVE:
                self._over(session, live, live.ends)

    def _given_up(self, session: SessionId) -> None:
        live = self._live.get(session)
        if live is not None and live.opening:
            self._over(session, live, live.ends or EndReason.STOPPED.value)

    def _back(self, live: _Live, now_ms: int, *, first: bool) -> None:
        """It is connected to its next node. `first`: it has never been to any."""
        live.away = False
        *before, last = live.trail
        live.trail = (*before, msgspec.structs.replace(last, node=live.node, back_ms=now_ms))
        self._note((_JOINED if first else _MOVED)[live.role], live, now_ms)

    def _arrived(self, live: _Live) -> None:
        """It is a join of its own."""
        live.arriving = False
        if live.connected_ms:
            self._note(_JOINED[live.role], live, live.connected_ms)

    def _over(self, session: SessionId, live: _Live, reason: str) -> None:
        del self._live[session]
        if live.arriving:
            return
        now_ms = self._now_ms()
        kind = _LEFT[live.role] if live.connected_ms else EventKind.JOIN_FAILED
        if kind is EventKind.JOIN_FAILED:
            path = {"app": live.app, "stream": live.stream, "session": session}
            log.info("A client never connected", role=live.role.value, target=live.node, reason=reason, **path)
        self._note(kind, live, now_ms, ended_ms=live.ends_ms or now_ms, reason=reason)

    def _note(self, kind: EventKind, live: _Live, now_ms: int, *, ended_ms: int = 0, reason: str = "") -> None:
        report = self._nodes.last(live.node)
        fate = SessionFate(
            id=live.id,
            mark=live.mark,
            role=live.role,
            who=live.who,
            address=live.address,
            instance=self._instance,
            asked_ms=live.asked_ms,
            opened_ms=live.opened_ms,
            connected_ms=live.connected_ms,
            media_ms=live.media_ms,
            ended_ms=ended_ms,
            reason=reason,
            moves=live.moves,
            trail=live.trail,
        )
        self._notes.note(
            ClusterEvent(
                kind=kind,
                at_ms=now_ms,
                app=live.app,
                stream=live.stream,
                node=live.node,
                node_kind=NodeKind.ORIGIN if live.role is Role.PUBLISH else NodeKind.EDGE,
                zone=report.info.zone if report is not None else "",
                session=fate,
            )
        )

    def _refused(self, role: Role, path: tuple[str, str], address: str, code: str, took_s: float) -> None:
        now_ms = self._now_ms()
        self._count += 1
        app, stream = map(_word, path)
        log.info("A client was not let in", role=role.value, app=app, stream=stream, reason=code)
        fate = SessionFate(
            id=f"{self._instance}/{self._count}",
            role=role,
            address=_word(address),
            instance=self._instance,
            asked_ms=now_ms - int(took_s * 1_000),
            ended_ms=now_ms,
            reason=code,
        )
        kind = EventKind.JOIN_REFUSED
        self._notes.note(ClusterEvent(kind=kind, at_ms=now_ms, app=_word(path[0]), stream=_word(path[1]), session=fate))

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1_000)


def _word(text: str) -> str:
    """As the journal takes it, whatever a client said."""
    return text[:MOST_WORD].encode("utf-8", "replace").decode()
