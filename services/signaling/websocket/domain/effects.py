"""What a conversation wants done. Its adapter carries these out and reports back."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId, SessionId, StreamId
from rillcast.contracts.messages import FormerSession
from rillcast.contracts.words import EndReason, MediaKind, Role
from services.signaling.core.domain.codec_switches import CodecRule
from services.signaling.core.domain.identity import Credentials
from services.signaling.core.domain.verified_identity import VerifiedIdentity
from services.signaling.websocket.domain.asked import Question


class Send(msgspec.Struct, frozen=True):
    """Send a frame to the client, after all that were sent before."""

    frame: str


class Admit(msgspec.Struct, frozen=True, kw_only=True):
    """Ask whether the client may. Answered by `Entrance.admitted` or `denied`, unless it is given up before."""

    session: SessionId
    role: Role
    stream: StreamId
    credentials: Credentials
    meta_data: str = ""


class AskAbout(msgspec.Struct, frozen=True, kw_only=True):
    """Ask whether the client may play a stream, since it wants to know something of it. Answered by
    `Conversation.may_know` or `may_not_know`."""

    question: Question
    credentials: Credentials


class OpenPublisher(msgspec.Struct, frozen=True, kw_only=True):
    """Place and open. Answered exactly once, by `Sessions.opened` or `refused`, also when the socket is gone."""

    session: SessionId
    stream: StreamId
    sdp_offer: str
    credentials: Credentials
    identity: VerifiedIdentity
    name: str
    meta_data: str
    codecs: CodecRule
    """What held when it was let in."""
    anew: bool = False
    """Whether the client was let in for the session that this one replaces, so that nobody has counted it yet."""


class MovePublisher(msgspec.Struct, frozen=True, kw_only=True):
    """Place and open the session in which a publisher is to go on in its living peer connection. Answered exactly once,
    by `Sessions.opened` or `refused`, also when the socket is gone."""

    session: SessionId
    stream: StreamId
    sdp_offer: str
    """The newest offer of the publisher that was answered."""
    sdp_answered: str
    """What it was answered, while its node still takes its media; else empty."""
    former: FormerSession | None = None
    """At that node, if it hands its association over."""
    credentials: Credentials
    identity: VerifiedIdentity
    name: str
    meta_data: str
    codecs: CodecRule
    """What held when it was let in: so it goes on in the codec that it has."""


class MoveAgain(msgspec.Struct, frozen=True):
    """Call `Sessions.move_again` after about so many seconds. No origin had room for a publisher, whose own one
    drains."""

    session: SessionId
    after_s: float


class OfferThen(msgspec.Struct, frozen=True):
    """Call `Sessions.offer_then` after so many seconds: the client must have reached its next node by then."""

    session: SessionId
    after_s: float


class Reoffer(msgspec.Struct, frozen=True, kw_only=True):
    """Hand the next offer of a publisher in a living session over. Answered by `Sessions.reoffered` or
    `reoffer_refused`."""

    session: SessionId
    node: NodeId
    sdp_offer: str


class OpenViewer(msgspec.Struct, frozen=True, kw_only=True):
    """Place and open. Answered exactly once, by `Sessions.opened` or `refused`, also when the socket is gone."""

    session: SessionId
    stream: StreamId
    codecs: CodecRule
    """As in `MovePublisher`."""
    sdp_offered: str = ""
    """Of one that moves while its edge still serves it: the offer of that one that the client has answered."""
    former: FormerSession | None = None
    """At that edge, if it hands its association over."""
    anew: bool = False
    """See `OpenPublisher`."""


class Moved(msgspec.Struct, frozen=True):
    """The client goes on in another session: what is held for the old one, if anything is, is the new one's. Comes
    before the old one is forgotten."""

    old: SessionId
    new: SessionId
    node: NodeId | None = None
    """That has the new session. None while it is being opened."""
    anew: bool = False
    """Whether the client has begun anew by itself, and not because of its node."""


class GiveUp(msgspec.Struct, frozen=True):
    """The client has left a session for which somebody is being asked: stop asking whether it may, or stop waiting for
    a node, if none was asked yet."""

    session: SessionId


class LeaveBehind(msgspec.Struct, frozen=True):
    """A client was moved away from a node that is taken for gone. If the node turns out to live, the session is to be
    ended there."""

    session: SessionId
    node: NodeId


class Accept(msgspec.Struct, frozen=True, kw_only=True):
    """Hand the client's answer over, of a viewer or of a publisher that moves; on refusal `Sessions.answer_refused`."""

    role: Role
    session: SessionId
    node: NodeId
    sdp_answer: str
    tells_first_frame: bool = False
    """Whether a viewer has said that it will tell when it shows its first picture."""


class FirstFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer says that it shows its first picture."""

    session: SessionId
    after_s: float
    """Since it asked for the stream, by its own clock: its word, which may be anything that is not negative."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """Close a session at its node; nobody waits for it."""

    session: SessionId
    node: NodeId
    reason: EndReason
    keep_stream_s: float = 0.0


class Select(msgspec.Struct, frozen=True, kw_only=True):
    """Force the rendition that a viewer gets, by its height in lines; 0 = the edge chooses."""

    session: SessionId
    node: NodeId
    height: int


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """Stop or resume what a viewer gets of one kind of media."""

    session: SessionId
    node: NodeId
    kind: MediaKind
    enabled: bool


class Describe(msgspec.Struct, frozen=True, kw_only=True):
    """Tell an origin what the publisher of a living session says of its stream now. On refusal
    `Conversation.not_described`."""

    session: SessionId
    node: NodeId
    name: str
    meta_data: str


class Wait(msgspec.Struct, frozen=True):
    """Put this socket on the waiting list of a stream."""

    stream: StreamId


class StopWaiting(msgspec.Struct, frozen=True):
    """Take this socket off the waiting list of a stream."""

    stream: StreamId


class AskAgain(msgspec.Struct, frozen=True):
    """Call `Conversation.ask_again` after so many seconds, for the question of that number."""

    number: int
    after_s: float


class ExpireLater(msgspec.Struct, frozen=True):
    """Call `Sessions.expired` after so many seconds. It decides whether the session is late."""

    session: SessionId
    after_s: float


class Forget(msgspec.Struct, frozen=True):
    """The session is over for this socket: no more of its events are wanted."""

    session: SessionId


Effect = (
    Send
    | Admit
    | AskAbout
    | OpenPublisher
    | MovePublisher
    | MoveAgain
    | OfferThen
    | Reoffer
    | OpenViewer
    | Moved
    | GiveUp
    | LeaveBehind
    | Accept
    | End
    | Select
    | Mute
    | Describe
    | FirstFrame
    | Wait
    | StopWaiting
    | AskAgain
    | ExpireLater
    | Forget
)
