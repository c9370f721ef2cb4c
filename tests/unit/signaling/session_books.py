"""What a perfect adapter and perfect nodes would know of one socket's sessions, for the test of their lives."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from services.signaling.websocket.domain.effects import (
    Accept,
    Admit,
    Effect,
    End,
    ExpireLater,
    Forget,
    GiveUp,
    MoveAgain,
    Moved,
    MovePublisher,
    Mute,
    OfferThen,
    OpenPublisher,
    OpenViewer,
    Select,
    Send,
    StopWaiting,
    Wait,
)


class Books:
    """What a perfect adapter and perfect nodes would know."""

    def __init__(self) -> None:
        self.seen: list[SessionId] = []
        """In the order they came: ids are random, what is drawn must not be."""
        self.receivers: set[SessionId] = set()
        self.asked: set[SessionId] = set()
        """Openings without an answer yet."""
        self.accepting: set[SessionId] = set()
        self.at_node: dict[SessionId, NodeId] = {}
        self.forgotten: set[SessionId] = set()
        self.expiries: set[SessionId] = set()
        self.agains: set[SessionId] = set()
        """Sessions of publishers for which another origin is looked for later."""
        self.thens: set[SessionId] = set()
        """Sessions that are offered a second time."""
        self.waiting: set[StreamId] = set()
        self.admitting: set[SessionId] = set()
        """Nobody has said yet whether they may."""
        self.settled: set[SessionId] = set()
        """Given up, or answered: a late answer may still come."""
        self.held: set[SessionId] = set()
        """For whom a one-time token, or a connection of a subscriber, is held."""
        self.ended: set[SessionId] = set()
        """Whose nodes were told to end them."""

    def take(self, effects: list[Effect], *, sessions_stay: bool = False) -> None:
        for effect in effects:
            self.take_one(effect)
        if sessions_stay:
            self.at_node.clear()

    def take_one(self, effect: Effect) -> None:
        match effect:
            case Send(frame):
                assert "command" in msgspec.json.decode(frame)
            case Admit():
                self.seen.append(effect.session)
                self.admitting.add(effect.session)
            case OpenPublisher() | OpenViewer() | MovePublisher():
                assert effect.session not in self.admitting
                assert effect.session not in self.receivers | self.forgotten
                if effect.session not in self.seen:
                    self.seen.append(effect.session)
                self.receivers.add(effect.session)
                self.asked.add(effect.session)
            case GiveUp(session):
                assert (session in self.asked) != (session in self.admitting)
                self.admitting.discard(session)
                self.settled.add(session)
            case Forget() | End() | Moved():
                self.take_end(effect)
            case Accept():
                assert effect.session in self.receivers
                self.accepting.add(effect.session)
            case Select() | Mute():
                assert effect.session in self.receivers
            case Wait(stream):
                assert stream not in self.waiting
                self.waiting.add(stream)
            case StopWaiting(stream):
                self.waiting.remove(stream)
            case ExpireLater() | MoveAgain() | OfferThen():
                {ExpireLater: self.expiries, MoveAgain: self.agains, OfferThen: self.thens}[type(effect)].add(
                    effect.session
                )

    def take_end(self, effect: Forget | End | Moved) -> None:
        match effect:
            case Forget(session):
                assert session in self.receivers | self.held, "forgotten twice, or never opened"
                assert session not in self.asked, "forgotten before its answer came"
                self.receivers.discard(session)
                self.held.discard(session)
                self.forgotten.add(session)
            case Moved(old, new):
                assert old not in self.forgotten, "moved too late"
                assert new not in self.forgotten
                if old in self.held:
                    self.held.remove(old)
                    self.held.add(new)
            case End():
                assert effect.session not in self.ended, "ended twice"
                self.ended.add(effect.session)
                self.at_node.pop(effect.session, None)
                self.held.discard(effect.session)
