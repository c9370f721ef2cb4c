"""Why a client's WebSocket ends, and with which code (RFC 6455 §7.4.1)."""

from __future__ import annotations

from enum import StrEnum


class SocketEnd(StrEnum):
    """The reason is what the client reads in the close frame, and the label of the metric."""

    CLIENT = "client"
    """The client closed it, or is gone."""
    TOO_LARGE = "too_large"
    """It sent a frame of more than 80 KiB."""
    FLOOD = "flood"
    """It went on sending more than it may."""
    KEEPALIVE = "keepalive"
    """It answered no ping for 20 s."""
    SLOW = "slow"
    """It reads too slowly: more would wait for it than `Outgoing` takes, or nothing could be sent for too long."""
    GAVE_WAY = "gave_way"
    """It had nothing under way, and another client needed its place."""
    DRAINING = "draining"
    """This instance goes away."""
    # refused before it was a socket
    OVERLOAD = "overload"
    UNKNOWN_APP = "unknown_app"
    NO_SUCH_PATH = "no_such_path"


CODES = {
    SocketEnd.TOO_LARGE: 1009,
    SocketEnd.FLOOD: 1008,
    SocketEnd.SLOW: 1013,
    SocketEnd.GAVE_WAY: 1013,
    SocketEnd.DRAINING: 1001,
}
"""The code in the close frame, where this side closes the socket."""

SAID_BY_SERVER = {1008: SocketEnd.FLOOD, 1009: SocketEnd.TOO_LARGE, 1011: SocketEnd.KEEPALIVE}
"""By the code with which the HTTP server tells that it closed the socket itself."""
