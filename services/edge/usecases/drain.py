"""Leaving without a stampede: viewers are sent away one by one over the drain time, those whose client can be told over
its signaling socket first; plain WHEP clients, which can only be cut, last."""

from __future__ import annotations

import asyncio

from rillcast.contracts.words import EndReason
from rillcast.node.background import Outbox
from services.edge.domain.viewer import Viewers
from services.edge.usecases.session_end import SessionEnd

SHARE_OF_TIME = 0.7
"""The rest is for the last ones to get away."""
STEP_S = 0.1


class Drain:
    """Empties an edge."""

    def __init__(self, viewers: Viewers, session_end: SessionEnd, outbox: Outbox, drain_timeout_s: float) -> None:
        self._viewers = viewers
        self._session_end = session_end
        self._outbox = outbox
        self._over_s = drain_timeout_s * SHARE_OF_TIME

    async def drain(self) -> None:
        """End every session; done when the last is told."""
        leaving = sorted(self._viewers, key=lambda viewer: viewer.request.sdp_offer is not None)
        steps = max(1, int(self._over_s / STEP_S))
        per_step = -(-len(leaving) // steps)
        for first in range(0, len(leaving), max(1, per_step)):
            for viewer in leaving[first : first + per_step]:
                self._session_end.end(viewer, EndReason.DRAINING, how="drained")
            await self._outbox.flush()
            await asyncio.sleep(STEP_S)
