"""Limits of a listener: how many connections it keeps, and how long and how large a request's head may be."""

from __future__ import annotations

from dataclasses import dataclass, field

from rillcast.runtime.http.addresses import IpNetwork
from rillcast.runtime.http.places import UNFINISHED_BYTES, Places
from rillcast.runtime.http.websocket import FrameLimits


@dataclass(frozen=True)
class HttpLimits:
    """What one listener bears from its clients; whoever exceeds it is refused and counted."""

    connections: int = 1_000
    """Open at once, WebSockets included. One more takes the place of the one that has been idle for longest; if none is
    idle, it is answered 503 and closed."""
    connections_per_address: int | None = None
    """Of those, how many one IPv4 address or one IPv6 /64 may have; more are answered 503 and closed."""
    unlimited: tuple[IpNetwork, ...] = ()
    """Networks for which `connections_per_address` does not hold: of proxies, from which many clients come."""
    head_timeout_s: float = 10.0
    """From the connection, and later from a request's first byte, to the end of the request's head."""
    head_bytes: int = 64 * 1024
    """Of the address and the headers of a request. A longer head is refused when that much has come, or at its end if
    it came in one read. Trailers may be as long as a head; nobody reads them."""
    headers: int = 100
    """How many a request may have."""
    pipelined: int = 20
    """Requests that may wait for the answer to an earlier one on their connection; no browser sends any."""
    body_timeout_s: float = 30.0
    """From the end of a request's head to the end of its body. Whoever reads bodies may have a shorter limit."""
    unread_body_timeout_s: float = 1.0
    """The same, from the end of an answer that did not wait for the body."""
    unfinished_bytes: int = UNFINISHED_BYTES
    """Of heads, bodies and messages that clients have begun to send, all together. One address may have as many as it
    leaves free. Whoever has no room is answered 503, or closed."""
    idle_timeout_s: int = 75
    """Between two requests on one connection. Proxies keep one open for 60 s; if we closed it first, they would send
    requests on connections that are being closed. Connections that are idle give way, so a long time costs nothing."""
    frames: FrameLimits = field(default_factory=FrameLimits)
    """Of one WebSocket."""

    @property
    def places(self) -> Places:
        """As many as connections are allowed, all of them free."""
        return Places(self.connections, self.connections_per_address, self.unlimited, self.unfinished_bytes)
