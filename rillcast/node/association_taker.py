"""The associations of other nodes with which sessions go on here.

            the client chooses us          the former node stopped
AWAITED ──────────────────────▶ STOPPING ─────────────────────▶ KEPT
                                    └────────────────────────▶ LOST
                                      refused, silent, unfit

Nothing is sent under the keys before KEPT. When an association is LOST, nothing ever is: the client makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum, auto

from rillcast.contracts import subjects
from rillcast.contracts.errors import RillcastError
from rillcast.contracts.messages import AssociationAnswer, FormerSession
from rillcast.contracts.words import NodeKind
from rillcast.media.protocol import SrtpState
from rillcast.node.association_keys import AssociationKeys
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.errors import Unanswered
from rillcast.runtime.ports import Bus
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

ASK_S = 0.3
"""How long a node that drains may take to give the keys. The offer to the client waits for it."""
STOP_S = 1.0
"""How long it may take to stop. Until it stops it sends, so waiting for it costs a viewer nothing, and a node that is
late has stopped when its answer comes. If it has died, the client shakes hands anew after that."""


class Taken(StrEnum):
    """What came of sessions that moved here and could keep their association: the labels of
    ``rillcast_node_associations_taken``."""

    KEPT = "kept"
    NOT_READY = "not_ready"
    """The former node did not give the keys, so nothing was begun."""
    UNFIT = "unfit"
    """What the former node sends is not what is to be sent here."""
    REFUSED = "refused"
    """The client was here, and the former node refused to hand over."""
    SILENT = "silent"
    """The client was here, and the former node did not answer: it may have died."""
    PLANE_ERROR = "plane_error"
    """The media plane did not go on with it."""
    ENDED = "ended"
    """The session was over before the client came, or before the former node answered."""


class TakeoverState(Enum):
    """How far a session is with its former association."""

    AWAITED = auto()
    """The client has still to choose this node."""
    STOPPING = auto()
    """The former node is asked to stop."""
    KEPT = auto()
    LOST = auto()


class Takeover:
    """Of one session, from the first answer of the former node on."""

    def __init__(self, former: FormerSession, srtp: SrtpState) -> None:
        self.former = former
        self.srtp: SrtpState | None = srtp
        """What the former node has told at first. Forgotten when it is known what came of it."""
        self.state = TakeoverState.AWAITED

    @property
    def kept(self) -> bool:
        """Whether the session goes on with the association."""
        return self.state is TakeoverState.KEPT

    @property
    def over(self) -> bool:
        """Whether it is known what came of it."""
        return self.state in (TakeoverState.KEPT, TakeoverState.LOST)


class AssociationTaker:
    """Asks for the associations of sessions that move here. One per node."""

    def __init__(
        self,
        kind: NodeKind,
        bus: Bus,
        keys: AssociationKeys,
        tasks: BackgroundTasks,
        on_outcome: Callable[[Taken], None],
    ) -> None:
        self._kind = kind
        self._bus = bus
        self._keys = keys
        self._tasks = tasks
        self._on_outcome = on_outcome

    async def ready(self, former: FormerSession | None) -> Takeover | None:
        """The keys of a session that is about to be offered to its client; None when there are none to be had."""
        if former is None:
            return None
        try:
            return Takeover(former, await self._ask(former, stop=False))
        except (RillcastError, ValueError) as error:
            log.info("An association is not handed over", former=former.node, reason=str(error))
            self._on_outcome(Taken.NOT_READY)
            return None

    def unfit(self, takeover: Takeover) -> None:
        """The session can't go on with it, after all."""
        self._over(takeover, Taken.UNFIT)

    def failed(self, takeover: Takeover) -> None:
        """The plane has not gone on with an association that was kept."""
        takeover.state = TakeoverState.LOST
        self._on_outcome(Taken.PLANE_ERROR)

    def ended(self, takeover: Takeover) -> None:
        """The session is over. Called for every session."""
        self._over(takeover, Taken.ENDED)

    def reached(self, takeover: Takeover, then: Callable[[SrtpState | None], None]) -> None:
        """The client has chosen this node: the former one is to stop. `then` hears the final counters, or None when the
        client has to shake hands anew; once, and only if the session did not end meanwhile. Nothing happens the second
        time."""
        if takeover.state is not TakeoverState.AWAITED:
            return
        takeover.state = TakeoverState.STOPPING
        try:
            self._tasks.start(self._stop(takeover, then), "association of a session")
        except RillcastError:
            self._over(takeover, Taken.REFUSED)
            then(None)

    async def _stop(self, takeover: Takeover, then: Callable[[SrtpState | None], None]) -> None:
        srtp, outcome = await self._stopped(takeover)
        if takeover.over:
            return
        if srtp is None:
            self._over(takeover, outcome)
        else:
            takeover.state, takeover.srtp = TakeoverState.KEPT, None
        then(srtp)
        if takeover.kept:
            self._on_outcome(outcome)

    async def _stopped(self, takeover: Takeover) -> tuple[SrtpState | None, Taken]:
        try:
            return await self._ask(takeover.former, stop=True), Taken.KEPT
        except (RillcastError, ValueError) as error:
            log.info("A node does not stop what was handed over", former=takeover.former.node, reason=str(error))
            return None, Taken.SILENT if isinstance(error, Unanswered) else Taken.REFUSED

    async def _ask(self, former: FormerSession, *, stop: bool) -> SrtpState:
        question = self._keys.ask(former, stop=stop)
        subject = subjects.media_association(self._kind, former.node)
        wait_s = STOP_S if stop else ASK_S
        answer = await self._bus.request(subject, question.request, AssociationAnswer, timeout_s=wait_s)
        return question.open(answer)

    def _over(self, takeover: Takeover, outcome: Taken) -> None:
        if not takeover.over:
            takeover.state, takeover.srtp = TakeoverState.LOST, None
            self._on_outcome(outcome)
