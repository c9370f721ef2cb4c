"""The sessions of one socket: at most one publisher and one viewer per stream id, and those given up meanwhile."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.words import Role
from services.signaling.core.domain.codec_switches import CodecRule
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.join_stage import JoinStage
from services.signaling.core.domain.verified_identity import NOBODY, VerifiedIdentity
from services.signaling.websocket.domain.kept_offers import KeptOffers
from services.signaling.websocket.domain.phases import Life, Phase, Step, following

_STAGES = {
    Phase.ADMITTING: JoinStage.ADMISSION,
    Phase.OFFER_WANTED: JoinStage.DESCRIPTION,
    Phase.OPENING: JoinStage.NODE,
    Phase.ANSWER_WANTED: JoinStage.DESCRIPTION,
    Phase.CONNECTING: JoinStage.CONNECTION,
}
"""In every other phase it has started."""


class Slot(msgspec.Struct, kw_only=True, eq=False):
    """One session of a publisher or a viewer, as its socket knows it."""

    role: Role
    stream: StreamId
    session: SessionId
    asked_at: float
    phase: Phase
    credentials: Credentials
    identity: VerifiedIdentity = NOBODY
    """What admission verified. Known once the client is let in."""
    codecs: CodecRule = CodecRule()
    """What holds for the session from the moment in which the client is let in, also where it goes on at another
    node."""
    held: bool = False
    """Whether something is held for the session until it is forgotten."""
    start_timeout_s: float = 0.0
    """How long the client has until both descriptions are exchanged. Known once it is let in."""
    early_offer: str | None = None
    """Publisher: the offer that came before the client was let in."""
    next_offer: str = ""
    """Publisher: the offer that it made in its living session, until its node has answered."""
    node: NodeId | None = None
    """The origin or edge that has the session; None until it is opened."""
    name: str = ""
    meta_data: str = ""
    described: tuple[str, str] = ("", "")
    """Publisher: the name and the meta data that its node knows."""
    restored: bool = False
    height: int | None = None
    """Last rendition the client was told of, or assumed to know."""
    moving: bool = False
    """Viewer: it runs as far as the client knows, while another edge takes it over."""
    predecessor: tuple[SessionId, NodeId] | None = None
    """Viewer: the session at the edge that drains, which serves the client until this one has started."""
    keep_stream_s: float = 0.0
    """Given up: what the node is told when its answer comes."""
    peer: str = ""
    """Of the client's peer connection, as it has described it, see `peer_of`; empty until then."""
    server: str = ""
    """Viewer: the same of our end, as it was offered last."""
    challenger: Slot | None = None
    """Viewer that runs: the session that its client asked for meanwhile, until the client has answered its offer."""
    challenges: Slot | None = None
    """The same, seen from that session: the one that runs."""
    successor: Slot | None = None
    """Publisher: the session in which it is to go on at another origin."""
    moves_from: Slot | None = None
    """Publisher: the session that is to go on in this one."""
    moves: int = 0
    """Publisher: how often another origin was asked for since it has this session."""
    offer: str = ""
    """Client that moves: the second of two offers, until it is sent."""
    told: str = ""
    """Publisher that moves: the newest offer that it was sent."""
    offers: int = 1
    """Of the node, to a client that moves there, and to a viewer."""
    offered: int = 0
    """How many of them it was sent."""
    keeps_association: bool = False
    """See `SessionAnswer`."""
    id_mapping: dict[str, str] = msgspec.field(default_factory=dict)
    """Viewer that moves: what goes with the second offer, until it is sent."""
    association: str = ""
    """Publisher whose node drains: the right to its association, see `FormerSession`."""
    lost_at: float | None = None
    """When it was known that nobody serves the client, until somebody does again."""
    node_gone: bool = False
    """Publisher: whether its node is taken for gone. One that drains still has the session."""

    @property
    def life(self) -> Life:
        """By which table its phases follow each other."""
        if self.moves_from is not None:
            return Life.MOVE
        return Life.PUBLISH if self.role is Role.PUBLISH else Life.PLAY

    @property
    def stage(self) -> JoinStage:
        """How far it has come, for the figures about joins."""
        return _STAGES.get(self.phase, JoinStage.RUNNING)

    @property
    def has_run(self) -> bool:
        """Whether the client was told that it started, and not yet that it ended."""
        return self.phase is Phase.RUNNING or self.moving


class Slots:
    """Found by stream and role while the client has a use for them; by session until they are over."""

    def __init__(self, most: int, kept: KeptOffers | None = None, client: str = "") -> None:
        """`most`: sessions the client may have. Sessions given up are bounded by the requests under way. `kept`: of all
        sockets of this process; an offer is dropped with its session. `client`: see `Client.counted_as`."""
        self._most = most
        self._client = client
        self.kept = KeptOffers() if kept is None else kept
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

    def keep(self, session: SessionId, offer: str, answer: str = "") -> None:
        """What is needed to move the publisher with this session, in the client's share of the room for it."""
        self.kept.keep(session, offer, answer, client=self._client)

    def add(self, slot: Slot) -> None:
        """A new session; it takes the place of its stream's former one."""
        self._by_name[slot.role, slot.stream] = slot
        self._by_session[slot.session] = slot

    def advance(self, slot: Slot, step: Step) -> bool:
        """Move a session on. False when the step has no place in its phase; then nothing changes."""
        phase = following(slot.life, slot.phase, step)
        if phase is None:
            return False
        slot.phase = phase
        if phase in (Phase.GIVEN_UP, Phase.OVER) and slot.challenges is not None:
            self.prevail(slot)
        if phase in (Phase.GIVEN_UP, Phase.OVER) and self._by_name.get((slot.role, slot.stream)) is slot:
            del self._by_name[slot.role, slot.stream]
        if phase is Phase.OVER:
            del self._by_session[slot.session]
            self.kept.drop(slot.session)
        return True

    def challenge(self, slot: Slot, challenger: Slot) -> None:
        """The viewer of `slot`, which runs, has asked again. Until `prevail`, it is the former one that goes on."""
        slot.challenger, challenger.challenges = challenger, slot
        self._by_session[challenger.session] = challenger

    @staticmethod
    def prevail(challenger: Slot) -> None:
        """It is settled in which of the two sessions the viewer goes on."""
        slot, challenger.challenges = challenger.challenges, None
        assert slot is not None
        slot.challenger = None

    def take_name(self, slot: Slot) -> None:
        """The client has this session from now on. The former one is over."""
        self._by_name[slot.role, slot.stream] = slot

    def move(self, slot: Slot, successor: Slot) -> None:
        """The publisher of `slot` is to go on in another session. Until `moved`, the client has still the former."""
        slot.successor, successor.moves_from = successor, slot
        self._by_session[successor.session] = successor

    def moved(self, successor: Slot) -> Slot:
        """The publisher has gone on in this session, which is running: it takes the place of the former one, which is
        over."""
        former, successor.moves_from = successor.moves_from, None
        assert former is not None
        former.successor, former.phase = None, Phase.OVER
        del self._by_session[former.session]
        self._by_name[successor.role, successor.stream] = successor
        self.kept.hand_on(former.session, successor.session, successor.told)
        return former

    def of(self, role: Role, stream: StreamId) -> Slot | None:
        """The session in which the client publishes or plays a stream; None when it does not."""
        return self._by_name.get((role, stream))

    def session(self, session: SessionId) -> Slot | None:
        """Any session that is not over, also one that was given up; None for others."""
        return self._by_session.get(session)

    def all(self) -> list[Slot]:
        """The client's sessions, without those given up."""
        return list(self._by_name.values())
