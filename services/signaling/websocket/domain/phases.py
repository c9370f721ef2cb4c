"""The life of one session as its socket sees it: a table of what may follow what.

A pair that is not in the table cannot happen in order: a client that answers twice, an event that comes late. It
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Life(Enum):
    """Whose life a session has."""

    PUBLISH = "publish"
    PLAY = "play"
    MOVE = "move"
    """Of the session in which a publisher is to go on at another origin. When its media has come there, it is a
    publisher's session like any other."""


class Phase(Enum):
    """How far a session has come. What may follow what is in the tables below."""

    ADMITTING = "admitting"
    """Somebody is being asked whether the client may publish or play."""
    OFFER_WANTED = "offer_wanted"
    """Publisher: `start` was sent, and its offer is awaited."""
    OPENING = "opening"
    """A node was asked and has not answered yet."""
    ANSWER_WANTED = "answer_wanted"
    """Viewer, and publisher that moves: the node's offer was sent, and the client's answer is awaited."""
    CONNECTING = "connecting"
    """Both descriptions are exchanged, and the node waits for ICE, DTLS and, of a publisher, for media."""
    RUNNING = "running"
    """The client was told that it started."""
    GIVEN_UP = "given_up"
    """The client left while a node was being asked; the node's answer is still to come."""
    OVER = "over"


class Step(Enum):
    """What moves a session on: what its client does, what its node says, or time."""

    ADMITTED = "admitted"
    """Admission has said that the client may."""
    DENIED = "denied"
    """The client may not, or there is nothing to play."""
    OFFERED = "offered"
    """The publisher's offer came, or was here already when the client was let in."""
    OPENED = "opened"
    """A node has opened the session, and its description is here."""
    REFUSED = "refused"
    """No node takes the session: each that was asked refused or did not answer, or there was none."""
    ANSWERED = "answered"
    """The client's answer to the node's offer came."""
    ANSWER_REFUSED = "answer_refused"
    """The node does not take the client's answer."""
    STARTED = "started"
    """Media flows (publisher), or can flow (viewer)."""
    CLOSED = "closed"
    """The node says that it has ended the session."""
    NODE_LEFT = "node_left"
    """The node drains, or it died: nothing was heard of it for some seconds."""
    EXPIRED = "expired"
    """The time to start is over. A session that is connecting is watched over by its node, but for a move, whose client
    can still be asked to come back."""
    LEFT = "left"
    """The client stopped, or its socket is gone."""
    REPLACED = "replaced"
    """The client has begun anew, in another session."""


_PUBLISH = {
    (Phase.ADMITTING, Step.ADMITTED): Phase.OFFER_WANTED,
    (Phase.ADMITTING, Step.DENIED): Phase.OVER,
    (Phase.ADMITTING, Step.LEFT): Phase.OVER,
    (Phase.ADMITTING, Step.REPLACED): Phase.OVER,
    (Phase.OFFER_WANTED, Step.OFFERED): Phase.OPENING,
    (Phase.OFFER_WANTED, Step.EXPIRED): Phase.OVER,
    (Phase.OFFER_WANTED, Step.LEFT): Phase.OVER,
    (Phase.OFFER_WANTED, Step.REPLACED): Phase.OVER,
    (Phase.OPENING, Step.OPENED): Phase.CONNECTING,
    (Phase.OPENING, Step.REFUSED): Phase.OVER,
    (Phase.OPENING, Step.CLOSED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.NODE_LEFT): Phase.OPENING,
    (Phase.OPENING, Step.EXPIRED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.LEFT): Phase.GIVEN_UP,
    (Phase.OPENING, Step.REPLACED): Phase.GIVEN_UP,
    (Phase.CONNECTING, Step.STARTED): Phase.RUNNING,
    (Phase.CONNECTING, Step.CLOSED): Phase.OVER,
    (Phase.CONNECTING, Step.NODE_LEFT): Phase.CONNECTING,
    (Phase.CONNECTING, Step.LEFT): Phase.OVER,
    (Phase.CONNECTING, Step.REPLACED): Phase.OVER,
    (Phase.RUNNING, Step.CLOSED): Phase.OVER,
    (Phase.RUNNING, Step.NODE_LEFT): Phase.RUNNING,
    (Phase.RUNNING, Step.LEFT): Phase.OVER,
    (Phase.RUNNING, Step.REPLACED): Phase.OVER,
    (Phase.GIVEN_UP, Step.OPENED): Phase.OVER,
    (Phase.GIVEN_UP, Step.REFUSED): Phase.OVER,
}
"""A publisher whose node leaves moves, or is asked to come back. Until it has, its session stays as it is."""

_PLAY = {
    (Phase.ADMITTING, Step.ADMITTED): Phase.OPENING,
    (Phase.ADMITTING, Step.DENIED): Phase.OVER,
    (Phase.ADMITTING, Step.LEFT): Phase.OVER,
    (Phase.ADMITTING, Step.REPLACED): Phase.OVER,
    (Phase.OPENING, Step.OPENED): Phase.ANSWER_WANTED,
    (Phase.OPENING, Step.REFUSED): Phase.OVER,
    (Phase.OPENING, Step.CLOSED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.NODE_LEFT): Phase.GIVEN_UP,
    (Phase.OPENING, Step.EXPIRED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.LEFT): Phase.GIVEN_UP,
    (Phase.OPENING, Step.REPLACED): Phase.GIVEN_UP,
    (Phase.ANSWER_WANTED, Step.ANSWERED): Phase.CONNECTING,
    (Phase.ANSWER_WANTED, Step.CLOSED): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.NODE_LEFT): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.EXPIRED): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.LEFT): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.REPLACED): Phase.OVER,
    (Phase.CONNECTING, Step.ANSWER_REFUSED): Phase.OVER,
    (Phase.CONNECTING, Step.STARTED): Phase.RUNNING,
    (Phase.CONNECTING, Step.CLOSED): Phase.OVER,
    (Phase.CONNECTING, Step.NODE_LEFT): Phase.OVER,
    (Phase.CONNECTING, Step.LEFT): Phase.OVER,
    (Phase.CONNECTING, Step.REPLACED): Phase.OVER,
    (Phase.RUNNING, Step.CLOSED): Phase.OVER,
    (Phase.RUNNING, Step.NODE_LEFT): Phase.OVER,
    (Phase.RUNNING, Step.LEFT): Phase.OVER,
    (Phase.RUNNING, Step.REPLACED): Phase.OVER,
    (Phase.GIVEN_UP, Step.OPENED): Phase.OVER,
    (Phase.GIVEN_UP, Step.REFUSED): Phase.OVER,
}
"""A viewer whose edge leaves goes on with another session, at another edge."""

_MOVE = {
    (Phase.OPENING, Step.OPENED): Phase.ANSWER_WANTED,
    (Phase.OPENING, Step.REFUSED): Phase.OVER,
    (Phase.OPENING, Step.CLOSED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.EXPIRED): Phase.GIVEN_UP,
    (Phase.OPENING, Step.LEFT): Phase.GIVEN_UP,
    (Phase.ANSWER_WANTED, Step.ANSWERED): Phase.CONNECTING,
    (Phase.ANSWER_WANTED, Step.CLOSED): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.NODE_LEFT): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.EXPIRED): Phase.OVER,
    (Phase.ANSWER_WANTED, Step.LEFT): Phase.OVER,
    (Phase.CONNECTING, Step.ANSWER_REFUSED): Phase.OVER,
    (Phase.CONNECTING, Step.STARTED): Phase.RUNNING,
    (Phase.CONNECTING, Step.CLOSED): Phase.OVER,
    (Phase.CONNECTING, Step.NODE_LEFT): Phase.OVER,
    (Phase.CONNECTING, Step.EXPIRED): Phase.OVER,
    (Phase.CONNECTING, Step.LEFT): Phase.OVER,
    (Phase.GIVEN_UP, Step.OPENED): Phase.OVER,
    (Phase.GIVEN_UP, Step.REFUSED): Phase.OVER,
}
"""A move that came to nothing is over, and the session that was to move is as it was."""

TABLES: Mapping[Life, Mapping[tuple[Phase, Step], Phase]] = {
    Life.PUBLISH: _PUBLISH,
    Life.PLAY: _PLAY,
    Life.MOVE: _MOVE,
}


def following(life: Life, phase: Phase, step: Step) -> Phase | None:
    """The next phase; None when `step` has no place in `phase`."""
    return TABLES[life].get((phase, step))
