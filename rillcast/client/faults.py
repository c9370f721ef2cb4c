"""What a call may raise. Each is a sentence for people."""

from __future__ import annotations


class ClientError(Exception):
    """The call did not do what it is for."""


class Unreachable(ClientError):
    """Nobody answers: no connection, no TLS, or not in time."""


class NotOurs(ClientError):
    """What answers is no Rillcast, or a version with other shapes."""


class NotDone(ClientError):
    """The server understood, and did nothing: ``success: false``."""

    def __init__(self, said: str = "") -> None:
        super().__init__(said or "it was not done, and the server does not say why")
        self.said = said
        """The server's words; empty when it has none."""


class Refused(ClientError):
    """The server answered with a status of HTTP that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotAllowed(Refused):
    """Who asks is not known, or may not do that (401, 403)."""


class NotFound(Refused):
    """There is no such thing (404)."""


class NotThere(Refused):
    """The server does not have what was asked for (501)."""


class TooMany(ClientError):
    """A list has more entries than the caller wants to hold."""


def refusal(status: int, message: str) -> Refused:
    """The one for this status."""
    kinds: dict[int, type[Refused]] = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 501: NotThere}
    return kinds.get(status, Refused)(status, message)
