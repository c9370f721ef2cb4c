"""How far a stream's publisher is: a table, so that every pair of state and event is decided once.

FLOWING ──gone──▶ ABSENT ──newcomer──▶ FLOWING
any ──over──▶ OVER
"""

from __future__ import annotations

from enum import Enum, auto


class PublishState(Enum):
    """How far the publisher of one stream is, as its origin sees it. Who has sent no media has no stream yet
    (`newcomer`)."""

    FLOWING = auto()
    ABSENT = auto()
    """The session, or the socket that stands for its publisher, is gone; the grace time runs."""
    OVER = auto()
    """The stream is no longer here."""


class PublishEvent(Enum):
    """What can happen to the publisher of a stream."""

    NEWCOMER = auto()
    """A session whose media has arrived has the stream: the publisher is back, or another one."""
    GONE = auto()
    """The session or the socket is gone."""
    OVER = auto()
    """The stream ends, goes to another origin or is lost to one."""


TRANSITIONS: dict[tuple[PublishState, PublishEvent], PublishState] = {
    (PublishState.FLOWING, PublishEvent.NEWCOMER): PublishState.FLOWING,
    (PublishState.FLOWING, PublishEvent.GONE): PublishState.ABSENT,
    (PublishState.FLOWING, PublishEvent.OVER): PublishState.OVER,
    (PublishState.ABSENT, PublishEvent.NEWCOMER): PublishState.FLOWING,
    # The socket was gone already when the session died, or the other way round.
    (PublishState.ABSENT, PublishEvent.GONE): PublishState.ABSENT,
    (PublishState.ABSENT, PublishEvent.OVER): PublishState.OVER,
}
"""Every pair that is not here is a bug of the caller."""


def after(state: PublishState, event: PublishEvent) -> PublishState:
    """The next state. Raises RuntimeError for a pair that cannot be."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise RuntimeError(f"a stream that is {state.name} cannot have {event.name}") from None
