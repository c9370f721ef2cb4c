"""The sessions of one socket: at most one publisher and one viewer per stream id, and those given up meanwhile."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.verified_identity import NOBODY, VerifiedIdentity
from services.signaling.websocket.domain.phases import Phase, Step, following


class Slot(msgspec.Struct, kw_only=True):
    """One session of a publisher or a viewer, as its socket knows it."""

    role: Role
    stream: StreamId
    session: SessionId
    asked_at: float
    phase: Phase
    credentials: Credentials
    identity: VerifiedIdentity = NOBODY
    """What admission verified. Known once the client is let in."""
    held: bool = False
    """Whether something is held for the session until it is forgotten."""
    start_timeout_s: float = 0.0
    """How long the client has until both descriptions are exchanged. Known once it is let in."""
    early_offer: str | None = None
    """Publisher: the offer that came before the client was let in."""
    node: NodeId | None = None
    """The origin or edge that has the session; None until it is opened."""
    name: str = ""
    meta_data: str = ""
    restored: bool = False
    height: int | None = None
    """Last rendition the client was told of, or assumed to know."""
    moving: bool = False
    """Viewer: it runs as far as the client knows, while another edge takes it over."""
    keep_stream_s: float = 0.0
    """Given up: what the node is told when its answer comes."""

    @property
    def has_run(self) -> bool:
        """Whether the client was told that it started, and not yet that it ended."""
        return self.phase is Phase.RUNNING or self.moving


class Slots:
    """Found by stream and role while the client has a use for them; by session until they are over."""

    def __init__(self, most: int) -> None:
        """`most`: sessions the client may have. Sessions given up are bounded by the requests under way."""
        self._most = most
        self._by_name: dict[tuple[Role, StreamId], Slot] = {}
        self._by_session: dict[SessionId, Slot] = {}

    @property
    def full(self) -> bool:
        """Whether the socket has as many sessions as it may, without those that are not let in yet."""
        return len(self._by_name) - self._admitting >= self._most

    @property
    def too_many_ask(self) -> bool:
        """Whether as many sessions wait to be let in as the socket may have."""
        return self._admitting >= self._most

    @property
    def _admitting(self) -> int:
        return sum(slot.phase is Phase.ADMITTING for slot in self._by_name.values())

    def __len__(self) -> int:
        """How many sessions are not over, those given up included."""
        return len(self._by_session)

    def add(self, slot: Slot) -> None:
        """A new session; it takes the place of its stream's former one."""
        self._by_name[slot.role, slot.stream] = slot
        self._by_session[slot.session] = slot

    def advance(self, slot: Slot, step: Step) -> bool:
        """Move a session on. False when the step has no place in its phase; then nothing changes."""
        phase = following(slot.role, slot.phase, step)
        if phase is None:
            return False
        slot.phase = phase
        if phase in (Phase.GIVEN_UP, Phase.OVER) and self._by_name.get((slot.role, slot.stream)) is slot:
            del self._by_name[slot.role, slot.stream]
        if phase is Phase.OVER:
            del self._by_session[slot.session]
        return True

    def of(self, role: Role, stream: StreamId) -> Slot | None:
        """The session in which the client publishes or plays a stream; None when it does not."""
        return self._by_name.get((role, stream))

    def session(self, session: SessionId) -> Slot | None:
        """Any session that is not over, also one that was given up; None for others."""
        return self._by_session.get(session)

    def all(self) -> list[Slot]:
        """The client's sessions, without those given up."""
        return list(self._by_name.values())
