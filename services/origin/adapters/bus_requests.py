"""Serves the origin's subjects on the bus."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from rillcast.relay.parent import RelayParent
from rillcast.runtime.ports import Bus
from services.origin.usecases.stream_owner import StreamOwner
from services.origin.usecases.webrtc_ingest import WebRtcIngest


async def serve_requests(bus: Bus, node: NodeId, owner: StreamOwner, webrtc: WebRtcIngest, relays: RelayParent) -> None:
    """Begin to answer the origin's requests. Returns when the subjects are subscribed."""
    await bus.serve(subjects.origin_publish(node), messages.PublishRequest, webrtc.publish)
    await bus.serve(subjects.origin_reoffer(node), messages.ReofferRequest, webrtc.reoffer)
    await bus.serve(subjects.origin_move_in(node), messages.PublishRequest, webrtc.move_in)
    await bus.serve(subjects.origin_accept(node), messages.AnswerRequest, webrtc.accept)
    await bus.serve(subjects.origin_describe(node), messages.DescribeRequest, owner.describe)
    await bus.serve(subjects.origin_turn_away(node), messages.TurnAwayRequest, owner.turn_away)
    await bus.serve(subjects.origin_hand_over(node), messages.HandOverRequest, owner.hand_over)
    await bus.serve(subjects.session_close(NodeKind.ORIGIN, node), messages.CloseRequest, owner.close)
    await bus.serve(subjects.session_restart_ice(NodeKind.ORIGIN, node), messages.RestartIceRequest, webrtc.restart_ice)
    await bus.serve(
        subjects.media_association(NodeKind.ORIGIN, node),
        messages.AssociationRequest,
        webrtc.associations.giver.give,
    )
    await bus.serve(subjects.media_relay_open(node), messages.RelayOpen, relays.open)
    await bus.serve(subjects.media_relay_close(node), messages.RelayClose, relays.close)
