"""Sessions of publishers and viewers: from signaling to the origin or edge that has the session, and back."""

from __future__ import annotations

import msgspec

from rillcast.contracts.fields import (
    BitsPerSecond,
    Codec,
    Count,
    DurationMs,
    DurationS,
    Lines,
    Mid,
    Sdp,
    Text,
    Word,
)
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages.associations import FormerSession
from rillcast.contracts.records import AbrSettings
from rillcast.contracts.words import EndReason, MediaKind, SessionState


class PublishRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open the session of a publisher. Asking again with the same ``session`` opens nothing twice."""

    app: AppName
    stream: StreamId
    session: SessionId
    signaling: NodeId
    """The signaling instance that is to hear `SessionChanged`."""
    sdp_offer: Sdp
    """The client's offer. Of a publisher that moves in from another origin: the newest one that was answered."""
    sdp_answered: Sdp = ""
    """Of a publisher that moves in while its former origin still takes its media: the description that it has of that
    one."""
    former: FormerSession | None = None
    """Of the same publisher, if that origin would hand its association over."""
    credential_digest: Word
    """SHA-256 over the verified identity of the client, or over its secret where nothing was verified."""
    has_credentials: bool
    """Whether `credential_digest` is that of a verified identity. Only then it reserves the stream id."""
    secret_digest: Word = ""
    """SHA-256 over the secret that signaling issued to the client. Who comes back with either owns the stream."""
    name: Text = ""
    """What the publisher calls the stream; for display only."""
    meta_data: Text = ""
    """What the publisher attaches to the stream. It is passed on as it is."""
    subscriber_id: Text = ""
    """Who the publisher says that it is; for those who are told of the stream."""
    max_bitrate_bps: BitsPerSecond = 10_000_000
    """The publisher is told by REMB not to send more."""
    keyframe_interval_ms: DurationMs = 2_000
    """How often a keyframe is asked for while somebody watches; 0 = only when one is needed."""
    start_timeout_ms: DurationMs = 10_000
    """How long the publisher has for its first media, and for its return after a loss."""
    client: Word = ""
    """Whose share of the places for publishers without a stream the session takes: an IPv4 address, or an IPv6 /64.
    Empty = nobody's."""
    movable: bool = False
    """Whether the client can go on at another origin without coming back by itself, since signaling has a way to make
    it an offer. See `StreamRecord.movable`."""
    codecs_off: tuple[Codec, ...] = ()
    """Codecs that are switched off: no video in them is taken."""
    preferred_codecs: tuple[Codec, ...] = ()
    """The first of these that the offer has is taken before all others. Empty = the first one of the offer."""
    ownerless_claim: Word = ""
    """The `StreamRecord.claim` of the stream, when its owner is known to have ended: nobody renews it any more. Empty =
    its owner lives, is only silent, or there is none."""


class ReofferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The publisher offers anew in its living session, to restart ICE (RFC 8829 §5.2.3). Nothing else may change: else
    it is refused with BAD_REMOTE_DESCRIPTION, and the session goes on as it was."""

    session: SessionId
    sdp_offer: Sdp


class PlaySubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that a viewer is to get, or a part of it."""

    app: AppName
    stream: StreamId
    mids: tuple[Mid, ...] = ()
    """The `TrackRecord.mid` of the tracks that are wanted; empty = all that the stream has."""
    codecs_to_come: tuple[Codec, ...] = ()
    """A transcoder is about to make the video in these codecs, and no node serves it in them yet. The edge keeps a
    viewer who understands no other codec waiting, for `ladder_wish.RUNG_WAIT_S` at most. The deadline of the request
    must therefore be longer."""
    ladder_codecs: tuple[Codec, ...] = ()
    """A transcoder makes the video in these codecs, in whatever codec the publisher sends it. If the publisher comes
    back in another one, a viewer of these is kept waiting likewise. Empty = unknown, or no ladder is asked for."""
    codecs_off: tuple[Codec, ...] = ()
    """Codecs that are switched off: no video in them is offered to the viewer. A stream that has its video in no other
    one is refused with NO_COMMON_CODEC."""


class PlayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Open the session of a viewer. Without ``sdp_offer`` the edge makes the offer and waits for `AnswerRequest`."""

    subscriptions: tuple[PlaySubscription, ...]
    """In the order in which their m-lines are offered. All are joined or none is. Each stream id stands here once. An
    edge refuses none (a session for data alone) and too many with BAD_REQUEST."""
    session: SessionId
    signaling: NodeId
    """The signaling instance that is to hear `SessionChanged`."""
    sdp_offer: Sdp | None = None
    start_timeout_ms: DurationMs = 10_000
    """How long the viewer has to answer and to connect."""
    abr: AbrSettings = AbrSettings()
    """The settings of the app. They hold as long as this session lives."""
    client: Word = ""
    """Whose share of the handshakes that an edge has under way the session takes: an IPv4 address, or an IPv6 /64.
    Empty = nobody's."""
    sdp_offered: Sdp = ""
    """Of a viewer that moves in while its former edge still serves it: the newest offer of that one, which its client
    has answered (`SessionChanged.sdp_offered`)."""
    former: FormerSession | None = None
    """Of the same viewer, if that edge would hand its association over."""


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session exists. ``sdp`` is the answer; or the node's offer: to a play request without one, or to a publisher
    that moves in."""

    session: SessionId
    node: NodeId
    sdp: Sdp
    sdp_then: Sdp = ""
    """Of a client that moves in: a second offer, for the moment in which its ICE has chosen this node
    (`SessionChanged.reached`). The first one changes only where its ICE goes, this one also the DTLS association. Empty
    = there is only one."""
    keeps_association: bool = False
    """Of a client that moves in with two offers: it is to go on with the association that it has, so the second one is
    not sent unless this node says `SessionChanged.reached`, however long that takes."""
    id_mapping: dict[Word, Text] = {}
    """The track id for each mid, with the prefix of seven characters that Ant Media's clients expect."""
    restored: bool = False
    """True when the stream of a publisher is live, and will be this session's when its media has arrived."""


class AnswerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client has answered the offer that the edge or, if it is a publisher that moves in, the origin made."""

    session: SessionId
    sdp_answer: Sdp


class CloseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """End a session. Closing an unknown session succeeds, and the answer says that there was none."""

    session: SessionId
    reason: EndReason
    keep_stream_s: DurationS = 0.0
    """For publishers: how long the stream and its viewers wait for its return (its socket is lost); 0 when the
    publisher said stop."""
    forgotten_by: NodeId | None = None
    """The signaling instance that asks, if it keeps nothing of the session any more. If it is the one that opened the
    session, an edge does not tell it of the end."""


class CloseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session is not there, or not for long any more."""

    found: bool = False
    """Whether this request ended it, or shortened the time for which it is kept. False: the node knew no such session,
    because it had ended before."""


class DescribeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher of a living stream says of it from now on. The origin that gets it writes it into the record
    of the stream. Refused with UNKNOWN_SESSION where the session has no stream there."""

    session: SessionId
    name: Text = ""
    meta_data: Text = ""


class TurnAwayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """End the sessions of those who want a stream and do not have it yet: a newcomer whose media has not come, or who
    waits for its turn. The publisher of the stream stays, and a later newcomer is taken in."""

    app: AppName
    stream: StreamId


class HandOverRequest(msgspec.Struct, frozen=True, kw_only=True):
    """From one origin to another: give up the stream of this session, because a publisher has come here for it. The
    record stays in the store for the asker to claim. A session that is not known has been given up already."""

    session: SessionId
    rightful: bool
    """Whether the newcomer is the same publisher. If not, the owner refuses with STREAM_ID_IN_USE unless its own
    publisher was not verified and is silent."""
    only_asking: bool = False
    """Whether the owner is only to say what it would do. The newcomer has sent no media yet."""


class RestartIceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client restarts ICE with new credentials (RFC 8445 §2.4, RFC 9725 §4.3.2)."""

    session: SessionId
    remote_ufrag: Word
    remote_pwd: Word


class RestartIceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The credentials and candidates of our side after an ICE restart."""

    local_ufrag: Word
    local_pwd: Word
    candidates: tuple[Word, ...]
    """Lines of SDP that begin with ``candidate:``."""


class MuteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Stop or resume what a viewer gets of one kind (toggleVideo, toggleAudio)."""

    session: SessionId
    kind: MediaKind
    enabled: bool
    subscription: Count | None = None
    """The place in `PlayRequest.subscriptions` that this is about; None = all. One that has ended is left alone."""


class SelectRendition(msgspec.Struct, frozen=True, kw_only=True):
    """Force the rendition that a viewer gets, by its height in lines; 0 = the edge chooses."""

    session: SessionId
    height: Lines
    subscription: Count | None = None
    """As in `MuteRequest`."""


class SessionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What the signaling instance of a session must know: a new state, another rendition, a measurement, or that one
    stream of several is over."""

    session: SessionId
    node: NodeId
    state: SessionState | None = None
    """Of the whole session."""
    subscription: Count | None = None
    """The place in `PlayRequest.subscriptions` that the height, or an end without a state, is about. None when nothing
    of this event is about a single one. A state is of the whole session all the same."""
    reason: EndReason | None = None
    """Why the session ended, with the state CLOSED. With a subscription and no state: why this subscription ended,
    while the session goes on with the others."""
    reached: bool = False
    """The client's ICE has chosen this node, and DTLS is still to come. Told once, of a client that moves with two
    offers (`SessionAnswer.sdp_then`), unless it goes on with its former association."""
    sdp_offered: Sdp = ""
    """With the state CLOSED, of a viewer whom its edge sends away and serves until then: the offer that its client has
    answered."""
    association: Word = ""
    """With the state CLOSED, of a client that is sent away and served until then: the right to its association
    (`FormerSession`). Empty = there is none to hand over."""
    stream_height: Lines | None = None
    """The viewer now gets a rendition of this height in lines, of the stream that `subscription` names."""
    target_bitrate_bps: BitsPerSecond | None = None
    """What the viewer's link seems to carry. It comes every 5 s, together with the two bit rates."""
    video_bitrate_bps: BitsPerSecond = 0
    """The bit rate of the video that is sent to the viewer."""
    audio_bitrate_bps: BitsPerSecond = 0
    """The bit rate of the audio that is sent to the viewer."""
