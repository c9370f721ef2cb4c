"""What a publish request and its offer say, before there are sources."""

from __future__ import annotations

import itertools

from rillcast.contracts.messages import PublishRequest
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport, PublishNegotiation, VideoChoice, answer_publish, offer_move
from services.origin.domain.owned_stream import Publisher
from services.origin.domain.takeover import Marks


def publisher_of(request: PublishRequest) -> Publisher:
    """Who wants to publish."""
    return Publisher(
        app=request.app,
        stream=request.stream,
        session=request.session,
        marks=Marks(
            verified=request.credential_digest if request.has_credentials else "", secret=request.secret_digest
        ),
        start_timeout_s=request.start_timeout_ms / 1000,
        name=request.name,
        meta_data=request.meta_data,
        subscriber_id=request.subscriber_id,
        client=request.client,
        movable=request.movable,
        ownerless_claim=request.ownerless_claim,
    )


def choice_of(request: PublishRequest) -> VideoChoice:
    """Which of its codecs the publisher is to send. It is the session's for as long as that lives, wherever it goes,
    and whatever becomes of the settings from which it was made."""
    return VideoChoice(off=request.codecs_off, preferred=request.preferred_codecs)


def negotiated(offer: str, local: LocalTransport, choice: VideoChoice) -> PublishNegotiation:
    """Our answer, with numbers in place of the sources. Raises as `answer_publish`."""
    placeholders = map(SourceId, itertools.count(1))
    return answer_publish(offer, local, allocate_source=lambda: next(placeholders), choice=choice)


def offered(offer: str, local: LocalTransport, choice: VideoChoice) -> PublishNegotiation:
    """Our offer to a publisher that moves in, likewise. Raises as `offer_move`."""
    placeholders = map(SourceId, itertools.count(1))
    return offer_move(offer, local, allocate_source=lambda: next(placeholders), choice=choice)


def negotiated_again(offer: str, local: LocalTransport, before: PublishNegotiation) -> PublishNegotiation:
    """Our answer to the next offer of a living session, which keeps the formats that it has as far as they are still
    offered. Raises as `answer_publish`."""
    return negotiated(offer, local, VideoChoice(living=before.recv))


def same_media(one: PublishNegotiation, other: PublishNegotiation) -> bool:
    """Whether they agree in what a session has to keep as long as it lives."""
    return (one.recv, one.extensions, one.dtls) == (other.recv, other.extensions, other.dtls)
