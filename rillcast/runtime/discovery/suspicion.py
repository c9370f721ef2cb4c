"""Whether a node that gave no sign of life is dead, frozen, cut off or only slow. It decides without I/O.

Something makes a node doubtful: its lifeline ended, its heartbeat is overdue, a request to it had no answer. Then it is
asked at once in two ways, on the bus and at its admin listener. `conclude` makes a finding of both answers and of what
became of the lifeline, and `Suspicion` says what follows from one finding after the other:

    CLEAR ──doubt──▶ DOUBTED ──▶ ISOLATED   asked again and again, until it is CLEAR or worse
      ▲                 │   ├──▶ FROZEN ──┐ likewise, but gone after a grace
      └──────alive──────┘   ├──▶ MISSING ─┴──▶ GONE
                            └──dead──────────▶ GONE

A node is gone at once when the kernel of its machine says so: the lifeline was closed, and nobody listens where the
admin listener was. The silence of one way is never proof. Who was only silent has a grace, which begins anew with each
sign that its media flows. A machine that cannot be reached in any way has none if a second observer, to whom its media
flowed, hears nothing of it either.
"""

from __future__ import annotations

from enum import StrEnum

OVERDUE_S = 1.4
"""A node whose last heartbeat is older is doubtful; they come each second, give or take a tenth."""
QUESTION_S = 0.4
"""How long each answer may take."""
MISSING_GRACE_S = 0.5
"""For a machine that cannot be reached in any way: time for a second look, and for others to vouch for it."""
STRANGER_GRACE_S = 3.6
"""The same for a node whose lifeline was never held: it is gone after as long a silence as for those who hold none
(`directory.EXPIRY_S`)."""
FROZEN_GRACE_S = 3.0
"""For a process that exists and does not answer: it may go on at any moment."""


class BusSays(StrEnum):
    """What came of a request on the bus that only this node serves."""

    ANSWERED = "answered"
    """By this very process: the answer is signed."""
    NOBODY = "nobody"
    """The bus knows nobody who serves the subject."""
    SILENT = "silent"
    """Nothing came in time, or nothing that is signed."""


class AdminSays(StrEnum):
    """What came of asking the admin listener."""

    SAME = "same"
    """It answered, and is the process that was meant."""
    OTHER = "other"
    """It answered, and is a later process of the same node."""
    REFUSED = "refused"
    """The machine says that nobody listens there."""
    SILENT = "silent"
    """The connection was accepted, and no answer came, or one that does not say whose it is."""
    UNREACHABLE = "unreachable"
    """No connection came about."""


class Line(StrEnum):
    """How the lifeline to the node is."""

    HELD = "held"
    """It is open, and the other machine has confirmed that of late."""
    LOST = "lost"
    """It was open, and ended, or its other end says nothing."""
    NEVER = "never"
    """There was none to this process."""


class Finding(StrEnum):
    """What follows from one look."""

    ALIVE = "alive"
    """It answers on the bus. It may be slow."""
    ISOLATED = "isolated"
    """It answers, but not on the bus: it keeps its sessions, and can be given no new ones."""
    FROZEN = "frozen"
    """The process exists, and does not answer."""
    MISSING = "missing"
    """There is no trace of it, and nobody who says that it is dead."""
    DEAD = "dead"
    """Its machine says that the process is gone."""


def conclude(bus: BusSays, admin: AdminSays, line: Line) -> Finding:
    """What these three say together."""
    if bus is BusSays.ANSWERED:
        return Finding.ALIVE
    if admin is AdminSays.SAME:
        return Finding.ISOLATED
    if admin is AdminSays.SILENT or line is Line.HELD:
        return Finding.FROZEN
    if admin is AdminSays.UNREACHABLE or line is Line.NEVER:
        return Finding.MISSING
    return Finding.DEAD


class State(StrEnum):
    """What is thought of a node."""

    CLEAR = "clear"
    """Nothing suggests that the node is gone."""
    DOUBTED = "doubted"
    """It is being asked."""
    ISOLATED = "isolated"
    FROZEN = "frozen"
    MISSING = "missing"
    GONE = "gone"
    """The last state: another process of the node is another suspicion."""


class Happening(StrEnum):
    """What changes the state, besides findings."""

    DOUBT = "doubt"
    """Something made the node doubtful."""
    HEARD = "heard"
    """A heartbeat came. It may have been sent before what made the node doubtful, so while it is asked this says
    nothing."""
    GRACE_OVER = "grace_over"


_WAITING = (State.FROZEN, State.MISSING)
_LOOKED_AT = (State.ISOLATED, *_WAITING)
_AFTER = {
    Finding.ALIVE: State.CLEAR,
    Finding.ISOLATED: State.ISOLATED,
    Finding.FROZEN: State.FROZEN,
    Finding.MISSING: State.MISSING,
    Finding.DEAD: State.GONE,
}
TRANSITIONS: dict[tuple[State, Happening | Finding], State] = {
    (State.CLEAR, Happening.DOUBT): State.DOUBTED,
    (State.CLEAR, Happening.HEARD): State.CLEAR,
    (State.DOUBTED, Happening.DOUBT): State.DOUBTED,
    (State.DOUBTED, Happening.HEARD): State.DOUBTED,
    **{(state, Happening.DOUBT): state for state in _LOOKED_AT},
    **{(state, Happening.HEARD): State.CLEAR for state in _LOOKED_AT},
    **{(state, finding): _AFTER[finding] for state in (State.DOUBTED, *_LOOKED_AT) for finding in Finding},
    **{(state, Happening.GRACE_OVER): State.GONE for state in _WAITING},
    # Answers and heartbeats may still be on their way.
    **{(State.GONE, happening): State.GONE for happening in (Happening.DOUBT, Happening.HEARD, *Finding)},
}
"""Every pair that is not here is a bug of the caller."""


class Suspicion:
    """Of one process of one node. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.state = State.CLEAR
        self.began = 0.0
        """When the node became doubtful."""
        self.finding: Finding | None = None
        """The last one since then."""
        self._waits_since = 0.0

    @property
    def trusted(self) -> bool:
        """Whether the node can be given new sessions. One that is only being asked can."""
        return self.state in (State.CLEAR, State.DOUBTED)

    @property
    def clear(self) -> bool:
        """Whether nothing suggests that the node is gone."""
        return self.state is State.CLEAR

    @property
    def open(self) -> bool:
        """Whether the node is to be looked at."""
        return self.state not in (State.CLEAR, State.GONE)

    @property
    def waits(self) -> bool:
        """Whether the node answers nobody and has its grace."""
        return self.state in _WAITING

    def doubt(self, now: float) -> None:
        """Something made the node doubtful."""
        if self.state is State.CLEAR:
            self.began, self.finding = now, None
        self._advance(Happening.DOUBT)

    def heard(self) -> None:
        """A heartbeat of this process came."""
        self._advance(Happening.HEARD)

    def found(self, finding: Finding, line: Line, now: float, *, missed_by_others: bool = False) -> None:
        """A look at the node ended with this. The state is GONE afterwards when it was dead, or silent for so long.
        `missed_by_others`: somebody who heard its media says that it is silent."""
        waited = self.waits
        self.finding = finding
        self._advance(finding)
        if not self.waits:
            return
        if not waited:
            self._waits_since = now
        confirmed = missed_by_others and self.state is State.MISSING and line is Line.LOST
        if confirmed or (waited and now - self._waits_since >= self._grace_s(line)):
            self._advance(Happening.GRACE_OVER)

    def wait_anew(self, now: float) -> None:
        """The grace begins anew: somebody hears the node's media, or we heard nothing ourselves until now."""
        self._waits_since = now

    def _grace_s(self, line: Line) -> float:
        if self.state is State.FROZEN:
            return FROZEN_GRACE_S
        return STRANGER_GRACE_S if line is Line.NEVER else MISSING_GRACE_S

    def _advance(self, what: Happening | Finding) -> None:
        self.state = TRANSITIONS[self.state, what]
