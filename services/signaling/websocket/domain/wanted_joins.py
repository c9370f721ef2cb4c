"""What a node is asked for when a conversation wants a session opened."""

from __future__ import annotations

from rillcast.contracts.ids import AppName
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.join_requests import PublisherJoin, ViewerJoin
from services.signaling.websocket.domain.effects import MovePublisher, OpenPublisher, OpenViewer


def publisher_join(app: AppName, client: Client, wanted: OpenPublisher | MovePublisher) -> PublisherJoin:
    """A publisher, new or on its way to another origin."""
    moves = wanted if isinstance(wanted, MovePublisher) else None
    return PublisherJoin(
        app=app,
        stream=wanted.stream,
        session=wanted.session,
        client=client,
        credentials=wanted.credentials,
        identity=wanted.identity,
        sdp_offer=wanted.sdp_offer,
        sdp_answered=moves.sdp_answered if moves is not None else "",
        former=moves.former if moves is not None else None,
        name=wanted.name,
        meta_data=wanted.meta_data,
        movable=True,
        codecs=wanted.codecs,
    )


def viewer_join(app: AppName, client: Client, wanted: OpenViewer) -> ViewerJoin:
    """A viewer, new or on its way to another edge."""
    return ViewerJoin(
        app=app,
        stream=wanted.stream,
        session=wanted.session,
        client=client,
        sdp_offered=wanted.sdp_offered,
        former=wanted.former,
        codecs=wanted.codecs,
    )
