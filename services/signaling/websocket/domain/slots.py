"""The sessions of one socket: at most one publisher and one viewer per stream id."""

from __future__ import annotations

from enum import Enum

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from services.signaling.core.domain.identity import Credentials


class Role(Enum):
    """What the client does with the stream; the value names it in metrics and spans."""

    PUBLISH = "publish"
    PLAY = "play"


class Phase(Enum):
    """How far a session is."""

    OFFER_WANTED = "offer_wanted"
    """Publisher: `start` was sent."""
    OPENING = "opening"
    """A node was asked."""
    ANSWER_WANTED = "answer_wanted"
    """Viewer: the edge's offer was sent."""
    CONNECTING = "connecting"
    RUNNING = "running"
    """The client was told that it started."""


class Slot(msgspec.Struct, kw_only=True):
    """One session as the socket knows it."""

    role: Role
    stream: StreamId
    session: SessionId
    asked_at: float
    phase: Phase
    credentials: Credentials
    start_timeout_s: float
    node: NodeId | None = None
    name: str = ""
    meta_data: str = ""
    restored: bool = False
    height: int | None = None
    """Last rendition the client was told of, or assumed to know."""
    moving: bool = False
    """Viewer: it runs as far as the client knows, while another edge takes it over."""


class Slots:
    """Found by stream and role, or by session."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_name: dict[tuple[Role, StreamId], Slot] = {}
        self._by_session: dict[SessionId, Slot] = {}

    @property
    def full(self) -> bool:
        """Whether the socket has as many sessions as it may."""
        return len(self._by_name) >= self._most

    def add(self, slot: Slot) -> None:
        self._by_name[slot.role, slot.stream] = slot
        self._by_session[slot.session] = slot

    def remove(self, slot: Slot) -> None:
        del self._by_name[slot.role, slot.stream]
        del self._by_session[slot.session]

    def rename(self, slot: Slot, session: SessionId) -> None:
        """The slot goes on with another session."""
        del self._by_session[slot.session]
        slot.session = session
        self._by_session[session] = slot

    def of(self, role: Role, stream: StreamId) -> Slot | None:
        return self._by_name.get((role, stream))

    def session(self, session: SessionId) -> Slot | None:
        return self._by_session.get(session)

    def all(self) -> list[Slot]:
        return list(self._by_name.values())
