"""The offers of a node to a client that moves there in its living peer connection.

While its former node still serves it, there are two. The first one changes the ICE part alone, so that media goes on
over the former association. The second one begins the new DTLS association. It comes when the client's ICE has chosen
the new node, which says so. Before that, the client's first ClientHello would go to the former node and be lost, and
the next ones come 50, 150 and 350 ms after it. The longer it comes after that, the longer a publisher's media is lost.

A node that has got the keys of the former association (`SessionAnswer.keeps_association`) needs the second offer only
if that association can't be kept after all. It alone knows, so nothing is sent before its word.
"""

from __future__ import annotations

from rillcast.contracts.messages import SessionAnswer
from rillcast.contracts.words import Role
from services.signaling.websocket.domain import replies
from services.signaling.websocket.domain.effects import Effect, OfferThen, Send
from services.signaling.websocket.domain.peers import peer_of
from services.signaling.websocket.domain.phases import Phase
from services.signaling.websocket.domain.slots import Slot

REACH_S = 0.6
"""From the client's answer to the second offer, at most: what the node says may be lost. Chromium chooses the new way
within 0.25 s of its answer, and some milliseconds, since it sends checks so seldom while it has a good way."""


def first(slot: Slot, answer: SessionAnswer) -> Send:
    """The only offer, or the first of two."""
    slot.offered, slot.keeps_association, slot.server = 1, answer.keeps_association, peer_of(answer.sdp)
    mapping = answer.id_mapping if slot.role is Role.PLAY else {}
    if answer.sdp_then:
        slot.offer, slot.offers, slot.id_mapping = answer.sdp_then, 2, mapping
    return _offer(slot, answer.sdp, mapping)


def answered(slot: Slot) -> list[Effect]:
    """The client has answered the first one. If there are two, it looks for its way to the new node now."""
    return [OfferThen(slot.session, REACH_S)] if slot.offers == 2 and not slot.keeps_association else []


def then(slot: Slot | None) -> list[Effect]:
    """It is time for the second one. Nothing happens if it was sent, or if there is none."""
    if slot is None or slot.phase is not Phase.CONNECTING or slot.offered >= slot.offers:
        return []
    sent = _offer(slot, slot.offer, slot.id_mapping)
    slot.offered, slot.server = slot.offers, peer_of(slot.offer)
    forget(slot)
    return [sent]


def forget(slot: Slot) -> None:
    """There is no second one any more: it was sent, or is not needed."""
    slot.offer, slot.id_mapping = "", {}


def is_known(slot: Slot | None) -> bool:
    """Whether an answer of the client brings nothing new: its node knows all of it from the answer to the first."""
    return slot is not None and slot.offered > 1


def _offer(slot: Slot, sdp: str, id_mapping: dict[str, str]) -> Send:
    if slot.role is Role.PUBLISH:
        slot.told = sdp
    return Send(replies.configuration(slot.stream, "offer", sdp, id_mapping, slot.credentials.subscriber_id))
