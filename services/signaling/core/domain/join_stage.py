"""How far a join had come when its outcome was known."""

from __future__ import annotations

from enum import StrEnum


class JoinStage(StrEnum):
    """The stages of every protocol, in their order. What is counted under one ended there."""

    ADMISSION = "admission"
    """Whether the client may is being asked."""
    DESCRIPTION = "description"
    """The client's offer or answer is awaited."""
    NODE = "node"
    """A node is asked to open the session."""
    CONNECTION = "connection"
    """Both descriptions are exchanged: ICE, DTLS and, of a publisher, its media are to come."""
    RUNNING = "running"
    """The session has started."""
