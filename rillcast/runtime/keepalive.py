"""TCP connections on which nobody speaks: the kernel asks whether the other machine is still there.

A process that dies closes its connections. A machine that vanishes closes nothing, and only unanswered questions of the
kernel (keep-alive probes, RFC 9293 section 3.8.4) tell.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_LAST_ACK = struct.Struct("=56xI")
"""``tcpi_last_ack_recv`` of Linux' ``struct tcp_info``, in milliseconds."""


@dataclass(frozen=True)
class KeepAlive:
    """When the kernel asks, and when it gives the connection up."""

    idle_s: int
    """The time without a word after which it asks first."""
    every_s: int
    """Between two questions."""
    give_up_s: float
    """The connection ends when nothing has been answered for this long."""

    def apply(self, sock: socket.socket) -> None:
        """Ask on this connection, or on those that this listener accepts from now on. What the system does not know is
        left as it is: only Linux knows all of it."""
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        values = {
            "TCP_KEEPIDLE": self.idle_s,
            "TCP_KEEPINTVL": self.every_s,
            "TCP_KEEPCNT": max(1, round((self.give_up_s - self.idle_s) / self.every_s)),
            "TCP_USER_TIMEOUT": round(self.give_up_s * 1_000),
        }
        for name, value in values.items():
            if (option := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


def silent_s(sock: socket.socket) -> float | None:
    """How long ago the other machine confirmed anything on this connection. None where the system does not tell, and
    when the socket is closed."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, _LAST_ACK.size)
    except OSError:
        return None
    return float(_LAST_ACK.unpack(info)[0]) / 1_000 if len(info) == _LAST_ACK.size else None
