"""What a publish request and its offer say, before there are sources."""

from __future__ import annotations

import itertools

from rillcast.contracts.messages import PublishRequest
from rillcast.media.protocol import SourceId
from rillcast.media.sdp import LocalTransport, PublishNegotiation, answer_publish, offer_move
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


def negotiated(offer: str, local: LocalTransport) -> PublishNegotiation:
    """Our answer, with numbers in place of the sources. Raises as `answer_publish`."""
    placeholders = map(SourceId, itertools.count(1))
    return answer_publish(offer, local, allocate_source=lambda: next(placeholders))


def offered(offer: str, local: LocalTransport) -> PublishNegotiation:
    """Our offer to a publisher that moves in, likewise. Raises as `offer_move`."""
    placeholders = map(SourceId, itertools.count(1))
    return offer_move(offer, local, allocate_source=lambda: next(placeholders))


def same_media(one: PublishNegotiation, other: PublishNegotiation) -> bool:
    """Whether they agree in what a session has to keep as long as it lives."""
    return (one.recv, one.extensions, one.dtls) == (other.recv, other.extensions, other.dtls)
