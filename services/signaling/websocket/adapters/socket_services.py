"""What every client socket uses, gathered once."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import AppName, StreamId
from rillcast.contracts.records import AppSettings
from rillcast.node.background import BackgroundTasks
from services.signaling.core.adapters.bus_joins import BusJoins
from services.signaling.core.adapters.bus_session_events import SessionEvents
from services.signaling.core.ports import Tally
from services.signaling.websocket.domain.conversation import Conversation
from services.signaling.websocket.usecases.waiting_room import WaitingRoom


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one socket."""

    messages_per_s: float
    message_burst: int


class SocketServices(msgspec.Struct, frozen=True, kw_only=True):
    """Shared by all sockets."""

    joins: BusJoins
    events: SessionEvents
    waiting_room: WaitingRoom
    tasks: BackgroundTasks
    tally: Tally
    limits: SocketLimits
    conversation: Callable[[AppName], Conversation]
    """A new conversation in an app."""
    codecs_to_come: Callable[[AppName, StreamId], tuple[str, ...]]
    """See `LadderOutlook`."""
    settings_of: Callable[[AppName], AppSettings]
    """An app's settings, or the defaults when it was removed meanwhile."""
