"""Errors of a node itself, as opposed to those of a request."""

from __future__ import annotations

from enum import StrEnum

from rillcast.contracts.errors import ErrorCode, RillcastError


class StartError(RuntimeError):
    """The node can't start; the text is one line for the operator, naming what to change."""


class PermissionMissing(StartError):
    """NATS does not let the node hear something."""


class Stopped(Exception):
    """The node was told to stop before it was up, and has ended in order. This is no failure."""


class NodeFault(Exception):
    """Why this node can't go on, in one sentence that is all there is to say: where it was raised tells nothing more,
    so it is logged without a traceback."""


class Crashed(RuntimeError):
    """A supervised task of the node ended unexpectedly, which is in the log; the node has ended in order after it."""


class RequestOutcome(StrEnum):
    """What came of a request on the bus: the labels of ``rillcast_bus_requests_total``."""

    OK = "ok"
    REFUSED = "refused"
    """The other side answered with an error."""
    UNDECODABLE = "undecodable"
    """The answer makes no sense."""
    CANCELLED = "cancelled"
    """Who asked does not want to know any more."""
    TIMEOUT = "timeout"
    NOBODY = "nobody"
    """NATS says that nobody listens on the subject."""
    DISCONNECTED = "disconnected"
    STALLED = "stalled"
    """NATS did not answer, so nothing was sent."""
    DENIED = "denied"
    """This node may not ask on the subject."""
    VERSION = "version"
    """The other side speaks another version of the protocol."""


class Unanswered(RillcastError):
    """A request on the bus had no answer."""

    def __init__(self, message: str, outcome: RequestOutcome, retry_after_s: float) -> None:
        super().__init__(ErrorCode.NO_NODE_AVAILABLE, message, retry_after_s)
        self.outcome = outcome
