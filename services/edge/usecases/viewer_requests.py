"""What is asked of a living viewer session over the bus: to close, to change its rendition, to mute, to restart ICE."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import SessionId
from rillcast.contracts.messages import (
    Ack,
    CloseAnswer,
    CloseRequest,
    MuteRequest,
    RestartIceAnswer,
    RestartIceRequest,
    SelectRendition,
)
from rillcast.node.addresses import MediaAddresses
from rillcast.node.ice import restart_ice
from services.edge.domain.stage import Stage
from services.edge.domain.subscription import Subscription
from services.edge.domain.viewer import Viewer, Viewers
from services.edge.ports import Plane
from services.edge.usecases.session_end import SessionEnd
from services.edge.usecases.stream_allocator import StreamAllocator


class ViewerRequests:
    """Raise UNKNOWN_SESSION for a session that this edge does not have, and BAD_REQUEST for what cannot be."""

    def __init__(
        self,
        viewers: Viewers,
        allocator: StreamAllocator,
        session_end: SessionEnd,
        *,
        plane: Plane,
        addresses: MediaAddresses,
    ) -> None:
        self._plane = plane
        self._addresses = addresses
        self._viewers = viewers
        self._session_end = session_end
        self._allocator = allocator

    async def close(self, request: CloseRequest) -> CloseAnswer:
        """Serve `subjects.session_close`. Closing an unknown session succeeds."""
        viewer = self._viewers.session(request.session)
        if viewer is not None:
            self._session_end.end(viewer, request.reason, known=request.forgotten_by == viewer.signaling)
        return CloseAnswer(found=viewer is not None)

    async def select(self, request: SelectRendition) -> Ack:
        """Serve `subjects.edge_select`."""
        if request.height < 0:
            raise RillcastError(ErrorCode.BAD_REQUEST, "a height is 0 (automatic) or more")
        viewer = self._viewer(request.session)
        for subscription in _meant(viewer, request.subscription):
            self._allocator.force(viewer, subscription, request.height)
        return Ack()

    async def mute(self, request: MuteRequest) -> Ack:
        """Serve `subjects.session_mute`."""
        viewer = self._viewer(request.session)
        for subscription in _meant(viewer, request.subscription):
            self._allocator.mute(viewer, subscription, request.kind, muted=not request.enabled)
        return Ack()

    async def restart_ice(self, request: RestartIceRequest) -> RestartIceAnswer:
        """Serve `subjects.session_restart_ice`."""
        viewer = self._viewer(request.session)
        if viewer.stage < Stage.CONNECTING:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "the session has not begun yet")
        local = self._addresses.transport(viewer.worker)
        return restart_ice(self._plane, viewer.plane_session, local, request)

    def _viewer(self, session: SessionId) -> Viewer:
        viewer = self._viewers.session(session)
        if viewer is None:
            raise RillcastError(ErrorCode.UNKNOWN_SESSION, "no such viewer session at this node")
        return viewer


def _meant(viewer: Viewer, place: int | None) -> list[Subscription]:
    """The subscriptions that a request is about."""
    if place is not None and not 0 <= place < len(viewer.request.subscriptions):
        raise RillcastError(ErrorCode.BAD_REQUEST, f"this session has never had a subscription {place}")
    return [subscription for subscription in viewer.subscriptions if place in (None, subscription.place)]
