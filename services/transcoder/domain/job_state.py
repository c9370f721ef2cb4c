"""The states of a media job, as a table. No I/O.

CLAIMING ──won──▶ HELD ──drain──▶ HANDING_OVER ──unwatched──▶ ENDING ──closed──▶ ENDED
   │  └─stop, drain─▶ ABANDONED ─won─▶ ENDING        HELD, HANDING_OVER ──stop, lease lost──▶ ENDING
   └─lost─▶ ENDED
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto


class JobState(Enum):
    """Where a job stands."""

    CLAIMING = auto()
    """The store is asked for the lease."""
    ABANDONED = auto()
    """It was told to stop before the store answered. If the lease is won, it is given back."""
    HELD = auto()
    """The lease is this node's, and the work is done as far as somebody wants it."""
    HANDING_OVER = auto()
    """The lease is given back, and the work goes on for those who still take something from here."""
    ENDING = auto()
    """Everything is being closed. Nothing is offered to other nodes any more."""
    ENDED = auto()


class JobEnd(StrEnum):
    """Why a job ended: the labels of ``rillcast_transcoder_jobs_ended``."""

    STREAM = "stream"
    """The stream is over, or has another owner."""
    SETTINGS = "settings"
    """What is asked for is another thing now."""
    LEASE = "lease"
    """Another node may have the job."""
    OVERLOAD = "overload"
    """It was too much for this node."""
    DRAIN = "drain"
    FAILED = "failed"
    """The work has a bug, which is in the log."""


class JobEvent(Enum):
    """What can happen to a job."""

    WON = auto()
    LOST = auto()
    """The claim: another node has the job, or the store did not answer."""
    STOP = auto()
    """The stream or what was asked for it is another, or the node gives the job up."""
    DRAIN = auto()
    """The node is to end in order."""
    LEASE_LOST = auto()
    """Another node has the lease."""
    UNWATCHED = auto()
    """Nobody takes anything from here any more."""
    CLOSED = auto()
    """Whatever was opened is closed."""


TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.CLAIMING, JobEvent.WON): JobState.HELD,
    (JobState.CLAIMING, JobEvent.LOST): JobState.ENDED,
    (JobState.CLAIMING, JobEvent.STOP): JobState.ABANDONED,
    (JobState.CLAIMING, JobEvent.DRAIN): JobState.ABANDONED,
    (JobState.ABANDONED, JobEvent.WON): JobState.ENDING,
    (JobState.ABANDONED, JobEvent.LOST): JobState.ENDED,
    (JobState.ABANDONED, JobEvent.STOP): JobState.ABANDONED,
    (JobState.ABANDONED, JobEvent.DRAIN): JobState.ABANDONED,
    (JobState.HELD, JobEvent.STOP): JobState.ENDING,
    (JobState.HELD, JobEvent.DRAIN): JobState.HANDING_OVER,
    (JobState.HELD, JobEvent.LEASE_LOST): JobState.ENDING,
    (JobState.HANDING_OVER, JobEvent.STOP): JobState.ENDING,
    (JobState.HANDING_OVER, JobEvent.DRAIN): JobState.HANDING_OVER,
    (JobState.HANDING_OVER, JobEvent.LEASE_LOST): JobState.ENDING,
    (JobState.HANDING_OVER, JobEvent.UNWATCHED): JobState.ENDING,
    (JobState.ENDING, JobEvent.STOP): JobState.ENDING,
    (JobState.ENDING, JobEvent.DRAIN): JobState.ENDING,
    (JobState.ENDING, JobEvent.LEASE_LOST): JobState.ENDING,
    # The stream ended while the lease was being given back.
    (JobState.ENDING, JobEvent.UNWATCHED): JobState.ENDING,
    (JobState.ENDING, JobEvent.CLOSED): JobState.ENDED,
    (JobState.ENDED, JobEvent.STOP): JobState.ENDED,
    (JobState.ENDED, JobEvent.DRAIN): JobState.ENDED,
}
"""Every pair that is not here is a bug of the caller."""


def advance(state: JobState, event: JobEvent) -> JobState:
    """The state after an event. Raises ValueError for a pair that can't happen."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"{event.name} can't happen to a job that is {state.name}") from None
