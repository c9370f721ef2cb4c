"""What publishers say of their streams: it goes to their origin with `publish`, and again when it changes."""

from __future__ import annotations

from rillcast.contracts.words import Role
from services.signaling.websocket.domain.effects import Describe, Effect
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot


def noted(slot: Slot) -> None:
    """The origin that is being asked for the session gets to know all that the publisher has said until now."""
    slot.described = (slot.name, slot.meta_data)


def catch_up(slot: Slot) -> list[Effect]:
    """Tell the origin of a publisher that runs what it does not know yet. Of others, their origin is told when they
    run."""
    said = (slot.name, slot.meta_data)
    if slot.role is not Role.PUBLISH or slot.phase is not Phase.RUNNING or slot.node is None or slot.described == said:
        return []
    slot.described = said
    return [Describe(session=slot.session, node=slot.node, name=slot.name, meta_data=slot.meta_data)]
