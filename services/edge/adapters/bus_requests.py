"""Serves the edge's subjects on the bus, and listens for the end of streams and of relays."""

from __future__ import annotations

from rillcast.contracts import messages, subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import NodeKind
from rillcast.node.association_giver import AssociationGiver
from rillcast.relay.parent import RelayParent
from rillcast.runtime.ports import Bus
from services.edge.usecases.looks import Looks
from services.edge.usecases.stream_changes import StreamChanges
from services.edge.usecases.upstream_relays import UpstreamRelays
from services.edge.usecases.viewer_join import ViewerJoin
from services.edge.usecases.viewer_requests import ViewerRequests


async def serve_requests(
    bus: Bus,
    node: NodeId,
    join: ViewerJoin,
    requests: ViewerRequests,
    streams: StreamChanges,
) -> None:
    """Begin to answer the edge's requests. Returns when the subjects are subscribed."""
    await bus.serve(subjects.edge_play(node), messages.PlayRequest, join.play)
    await bus.serve(subjects.edge_accept(node), messages.AnswerRequest, join.accept)
    await bus.serve(subjects.edge_select(node), messages.SelectRendition, requests.select)
    await bus.serve(subjects.session_close(NodeKind.EDGE, node), messages.CloseRequest, requests.close)
    await bus.serve(subjects.session_restart_ice(NodeKind.EDGE, node), messages.RestartIceRequest, requests.restart_ice)
    await bus.serve(subjects.session_mute(node), messages.MuteRequest, requests.mute)
    await bus.listen(subjects.STREAM_ENDED, messages.StreamEvent, streams.ended)


async def serve_relays(bus: Bus, node: NodeId, parents: UpstreamRelays, children: RelayParent) -> None:
    """Begin to answer other edges, as their parent and as their child. Returns when the subjects are subscribed."""
    await bus.serve(subjects.media_relay_open(node), messages.RelayOpen, children.open)
    await bus.serve(subjects.media_relay_close(node), messages.RelayClose, children.close)
    await bus.listen(subjects.media_relay_leaving(node), messages.RelayLeaving, parents.left_by)


async def serve_associations(bus: Bus, node: NodeId, giver: AssociationGiver) -> None:
    """Begin to hand associations over to other edges. Returns when the subject is subscribed."""
    await bus.serve(subjects.media_association(NodeKind.EDGE, node), messages.AssociationRequest, giver.give)


async def serve_looks(bus: Bus, node: NodeId, looks: Looks) -> None:
    """Begin to show operators what goes on here. Returns when the subject is subscribed."""
    await bus.serve(subjects.edge_look(node), messages.LookRequest, looks.look)
