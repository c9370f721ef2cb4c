"""What a node is asked when a client wants to publish or play, whatever protocol the client speaks."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import FormerSession, PlayRequest, PlaySubscription, PublishRequest
from rillcast.contracts.records import AppSettings
from services.signaling.core.domain.codec_switches import CodecRule
from services.signaling.core.domain.identity import Client, Credentials, secret_digest, verified_digest
from services.signaling.core.domain.verified_identity import NOBODY, VerifiedIdentity

MAX_META_DATA = 16 * 1024
MAX_NAME = 512
"""The most characters that a publisher may give as the name of its stream."""


class PublisherJoin(msgspec.Struct, frozen=True, kw_only=True):
    """A client that was let in to publish."""

    app: AppName
    stream: StreamId
    session: SessionId
    """Chosen by signaling."""
    client: Client
    credentials: Credentials
    identity: VerifiedIdentity = NOBODY
    """What admission verified of it."""
    sdp_offer: str
    sdp_answered: str = ""
    """Of one that moves: see `PublishRequest`."""
    former: FormerSession | None = None
    """Of one that moves, and whose origin would hand its association over."""
    name: str = ""
    meta_data: str = ""
    movable: bool = False
    """Whether the client has a socket, over which it can be offered another node."""
    codecs: CodecRule = CodecRule()
    """What held when it was let in."""


class ViewerJoin(msgspec.Struct, frozen=True, kw_only=True):
    """A client that was let in to play."""

    app: AppName
    stream: StreamId
    session: SessionId
    """Chosen by signaling."""
    client: Client
    sdp_offer: str | None = None
    """The offer of a WHEP client. None for a WebSocket client, to whom the edge makes the offer."""
    sdp_offered: str = ""
    """Of one that moves: see `PlayRequest`."""
    former: FormerSession | None = None
    """Of one that moves, and whose edge would hand its association over."""
    codecs: CodecRule = CodecRule()
    """What held when it was let in."""


def publish_request(
    join: PublisherJoin, settings: AppSettings, signaling: NodeId, subscriber_id: str = ""
) -> PublishRequest:
    """`signaling`: the instance that is told what happens to the session. `subscriber_id`: as the client says."""
    verified = verified_digest(join.app, join.stream, join.identity)
    secret = secret_digest(join.app, join.stream, join.client)
    return PublishRequest(
        app=join.app,
        stream=join.stream,
        session=join.session,
        signaling=signaling,
        sdp_offer=join.sdp_offer,
        sdp_answered=join.sdp_answered,
        former=join.former,
        credential_digest=verified or secret,
        has_credentials=bool(verified),
        secret_digest=secret,
        name=join.name,
        meta_data=join.meta_data,
        subscriber_id=subscriber_id,
        max_bitrate_bps=settings.max_ingest_bitrate_bps,
        keyframe_interval_ms=settings.web_rtc_keyframe_time,
        start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
        client=join.client.counted_as,
        movable=join.movable,
        codecs_off=join.codecs.off,
        preferred_codecs=join.codecs.preferred,
    )


def play_request(join: ViewerJoin, settings: AppSettings, signaling: NodeId, wanted: PlaySubscription) -> PlayRequest:
    """`signaling`: the instance that is told what happens to the session. `wanted`: of the stream."""
    return PlayRequest(
        subscriptions=(msgspec.structs.replace(wanted, codecs_off=join.codecs.off),),
        session=join.session,
        signaling=signaling,
        sdp_offer=join.sdp_offer,
        sdp_offered=join.sdp_offered,
        former=join.former,
        start_timeout_ms=settings.web_rtc_client_start_timeout_ms,
        abr=settings.abr,
        client=join.client.counted_as,
    )
