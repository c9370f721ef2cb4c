"""What every client socket uses, gathered once."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import AppName
from rillcast.node.background import BackgroundTasks
from services.signaling.core.domain.identity import Client
from services.signaling.core.ports import MediaNodes, SessionEvents, Tally
from services.signaling.core.usecases.admission import Admission
from services.signaling.core.usecases.change_rate import ChangeRate
from services.signaling.core.usecases.joins import Joins
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.domain.outgoing import OutgoingRoom
from services.signaling.websocket.usecases.waiting_room import WaitingRoom


class SocketServices(msgspec.Struct, frozen=True, kw_only=True):
    """What the rooms and the core give to every socket. One per signaling instance."""

    admission: Admission
    joins: Joins
    nodes: MediaNodes
    events: SessionEvents
    waiting_room: WaitingRoom
    tasks: BackgroundTasks
    tally: Tally
    changes: ChangeRate
    outgoing: OutgoingRoom
    conversation: Callable[[AppName, Client], Conversation]
    """A new conversation of a client in an app."""
