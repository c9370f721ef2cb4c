"""Builds the WebSocket room."""

from __future__ import annotations

import asyncio
import random
import time

from starlette.routing import BaseRoute, WebSocketRoute

from rillcast.contracts.ids import AppName
from services.signaling import metrics
from services.signaling.config import SignalingSettings
from services.signaling.core.adapters.http_front_door import Opened
from services.signaling.core.domain.client_rate import ClientRate
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.publisher_secret import PublisherSecrets
from services.signaling.core.wire import Core
from services.signaling.websocket.adapters.websocket_client import SocketLimits
from services.signaling.websocket.adapters.websocket_door import WebSocketDoor, nowhere
from services.signaling.websocket.adapters.websocket_endpoint import WebSocketEndpoint
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.kept_offers import KeptOffers
from services.signaling.websocket.domain.newcomers import Newcomers
from services.signaling.websocket.domain.outgoing import OutgoingRoom
from services.signaling.websocket.domain.questions import Questions
from services.signaling.websocket.domain.subscriber_pages import SubscriberPages
from services.signaling.websocket.domain.waiting_list import WaitingList
from services.signaling.websocket.usecases.load_report import report_load
from services.signaling.websocket.usecases.open_sockets import OpenSockets
from services.signaling.websocket.usecases.socket_services import SocketServices
from services.signaling.websocket.usecases.waiting_room import WaitingRoom

TOLD_WITHIN_S = 20.0
"""However many wait for a stream, the last of them is told by then."""


def wire(core: Core, secrets: PublisherSecrets) -> list[BaseRoute]:
    """Build the room, hook it into the node's life, and say where it is reached. `secrets`: by which publishers are
    known again."""
    sockets = OpenSockets(core.tasks, drain_timeout_s=core.settings.drain_timeout_s)
    endpoint = WebSocketEndpoint(
        _services(core),
        core.clients,
        secrets,
        core.apps,
        sockets,
        limits=SocketLimits(messages_per_s=core.settings.messages_per_s, message_burst=core.settings.message_burst),
        max_sockets=core.settings.max_sockets,
    )
    core.host.on_drain(endpoint.drain)
    core.host.directory.on_gone(endpoint.node_gone)
    core.host.spawn(report_load(core.host, sockets), "load")
    door = WebSocketDoor(endpoint.serve, core.clients, _newcomers(core.settings))
    return [
        WebSocketRoute("/{app}/websocket", Opened(door.serve)),
        WebSocketRoute("/{app}/websocket/signaling", Opened(door.serve)),
        WebSocketRoute("/{elsewhere:path}", nowhere),
    ]


def _newcomers(settings: SignalingSettings) -> Newcomers:
    rate = ClientRate(settings.sockets_per_s_per_address, settings.socket_burst_per_address)
    return Newcomers(rate, settings.max_connections_per_address)


def _services(core: Core) -> SocketServices:
    waiting = WaitingList(
        most=core.settings.max_waiting,
        rate_per_s=core.settings.streaming_started_per_s,
        longest_s=TOLD_WITHIN_S,
        rng=random.Random(),
    )
    waiting_room = WaitingRoom(waiting, core.streams.by_key, core.tasks)
    core.watch.on_change(waiting_room.changed)

    kept = KeptOffers(
        on_size=metrics.KEPT_OFFERS.set, on_refused=lambda why: metrics.PLACES_REFUSED.labels("offers", why).inc()
    )
    pages = SubscriberPages(core.subscribers, asyncio.get_running_loop().time)
    questions = Questions(core.streams, core.broadcasts, core.audience, pages, core.outlook)

    def conversation(app: AppName, client: Client) -> Conversation:
        return Conversation(
            app,
            apps=core.apps,
            streams=core.streams,
            questions=questions,
            tally=core.tally,
            max_streams=core.settings.max_streams_per_socket,
            wall_clock=time.time,
            kept=kept,
            client=client.counted_as,
        )

    return SocketServices(
        admission=core.admission,
        joins=core.joins,
        nodes=core.nodes,
        events=core.events,
        waiting_room=waiting_room,
        tasks=core.tasks,
        tally=core.tally,
        changes=core.changes,
        outgoing=OutgoingRoom(on_refused=lambda why: metrics.PLACES_REFUSED.labels("outgoing", why).inc()),
        conversation=conversation,
    )
