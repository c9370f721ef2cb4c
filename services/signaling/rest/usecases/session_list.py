"""The last joins of the cluster, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from rillcast.contracts.ids import NodeId
from rillcast.contracts.words import Role
from services.signaling.core.domain.session_history import Asked, SessionHistory
from services.signaling.rest.domain.paging import MAX_LIST
from services.signaling.rest.domain.parameters import About, InApp, OurOffset, OurSize
from services.signaling.rest.domain.refusal import BadInput
from services.signaling.rest.domain.session_shapes import STATES, JoinStatus, join_status

OfStream = Annotated[str, About("Only those of this stream.", name="stream", example="stream1")]
OfRole = Annotated[str, About("Only those to publish, or to play: publish or play.", name="role", example="play")]
AtNode = Annotated[str, About("Only those that are, or were, at this origin or edge.", name="node", example="edge-1")]
InZone = Annotated[str, About("Only those at nodes of this zone.", name="zone", example="eu-1a")]
Since = Annotated[
    int, About("Only those that were there at this time or later, in Unix milliseconds.", least=0, example=0)
]
Until = Annotated[
    int,
    About(
        "Only those that were there at this time or before, in Unix milliseconds; 0: at any time.", least=0, example=0
    ),
]
OfSubscriber = Annotated[str, About("Only those of this subscriber.", name="who", example="viewer-7")]
WithReason = Annotated[
    str, About("Only those that ended, or came to nothing, for this reason.", name="reason", example="stopped")
]
InState = Annotated[str, About(f"Only those in this state: {', '.join(STATES)}.", name="state", example="over")]
_MANY = 1_000
"""Joins that are looked at before others get their turn."""


class SessionList:
    """One per signaling instance."""

    def __init__(
        self, history: SessionHistory, alive: Callable[[NodeId, str], bool], check_known: Callable[[], None]
    ) -> None:
        """`check_known`: raises while it is not known what has happened."""
        self._history = history
        self._check_known = check_known
        self._alive = alive

    async def sessions(
        self,
        *,
        app: InApp = "",
        stream: OfStream = "",
        role: OfRole = "",
        node: AtNode = "",
        zone: InZone = "",
        who: OfSubscriber = "",
        reason: WithReason = "",
        state: InState = "",
        since: Since = 0,
        until: Until = 0,
        offset: OurOffset = 0,
        size: OurSize = MAX_LIST,
    ) -> list[JoinStatus]:
        """The newest join first. Raises `BadInput` for a state or a role that there is not, and STORE_UNAVAILABLE while
        it is not known what has happened."""
        if role and role not in tuple(Role):
            raise BadInput(f"role must be one of {', '.join(Role)}")
        if state and state not in STATES:
            raise BadInput(f"state must be one of {', '.join(STATES)}")
        self._check_known()
        asked = Asked(
            app=app,
            stream=stream,
            role=role,
            node=node,
            zone=zone,
            who=who,
            reason=reason,
            since_ms=since,
            until_ms=until,
        )
        found: list[JoinStatus] = []
        passed = 0
        for many, event in enumerate(self._history.newest()):
            if len(found) >= size:
                break
            if many % _MANY == _MANY - 1:
                await asyncio.sleep(0)
            if not asked.fits(event) or (join := join_status(event, self._alive)) is None:
                continue
            if state and join.state != state:
                continue
            passed += 1
            if passed > offset:
                found.append(join)
        return found
