"""Who is at the other end of a request or socket: address behind trusted proxies, browser, region."""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.requests import HTTPConnection

from rillcast.runtime.http.addresses import counted_as, is_within
from rillcast.runtime.telemetry.logs import get_logger
from services.signaling import metrics
from services.signaling.core.domain.forwarded import ForwardedHeaders, client_address, is_forwarded
from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.region import IpAddress, IpNetwork, RegionFinder, parse_address, within

log = get_logger(__name__)

MAX_USER_AGENT = 512
NOT_NAMED = "not named"
"""What all clients count as that a trusted proxy does not name."""
MAX_ORIGIN = 512
BEHIND = "behind"
"""Before the address of this machine's proxy that is not trusted: what all clients behind it count as."""
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){1,8}")
_TLS = frozenset({"https", "wss"})


class Seen(NamedTuple):
    """Who a request comes from, as far as nothing has to be looked up for it."""

    address: IpAddress | None
    """See `ClientReader.address`."""
    counted_as: str
    shared: bool
    """Whether others may have that address as well, as in `Client`."""
    by_proxy: bool
    """Whether a trusted proxy has forwarded it."""
    stranger: bool
    """Whether somebody else has."""


class ClientReader:
    """One per signaling instance."""

    def __init__(
        self,
        regions: RegionFinder,
        trusted_proxies: tuple[IpNetwork, ...],
        region_header: str,
        unlimited: tuple[IpNetwork, ...] = (),
    ) -> None:
        """`unlimited`: networks whose clients share no limit."""
        self._regions = regions
        self._trusted = trusted_proxies
        self._unlimited = unlimited
        self._region_header = region_header
        self._has_warned = False

    def see(self, connection: HTTPConnection) -> Seen:
        """Who is behind a request, before more is read of it."""
        peer = self._peer(connection)
        by_proxy = within(peer, self._trusted)
        stranger = not by_proxy and is_forwarded(connection.headers.keys())
        address = self._named(connection, peer) if by_proxy else peer
        name, shared = self._counted(address, stranger=stranger)
        return Seen(address, name, shared, by_proxy, stranger)

    def read(self, connection: HTTPConnection, seen: Seen | None = None) -> Client:
        """The client behind a request: its address, agent, and place, as far as a trusted proxy or a table tells.
        `seen`: what `see` has found of the same request."""
        address, name, shared, by_proxy, stranger = self.see(connection) if seen is None else seen
        if stranger:
            self._notice_proxy(address)
        header = connection.headers.get(self._region_header, "").strip() if by_proxy and self._region_header else ""
        return Client(
            address="" if address is None else str(address),
            counted_as=name,
            shared=shared,
            forwarded=stranger,
            user_agent=connection.headers.get("user-agent", "")[:MAX_USER_AGENT],
            origin=connection.headers.get("origin", "")[:MAX_ORIGIN],
            place=self._regions.find(asked=connection.query_params.get("region", ""), header=header, address=address),
        )

    def counted(self, connection: HTTPConnection) -> tuple[str, bool]:
        """`Client.counted_as` and `Client.shared` of the client behind a request."""
        seen = self.see(connection)
        return seen.counted_as, seen.shared

    def _counted(self, address: IpAddress | None, *, stranger: bool) -> tuple[str, bool]:
        """Nobody comes from a network without limits but this machine's own programs, or a proxy that was not named.
        That one's clients have limits too, together."""
        text = "" if address is None else str(address)
        if is_within(text, self._unlimited):
            return (f"{BEHIND} {text}", True) if stranger else ("", False)
        return counted_as(text) or NOT_NAMED, not text

    def address(self, connection: HTTPConnection) -> IpAddress | None:
        """The client's address as the outermost trusted proxy saw it, or as we see it without one. None when a trusted
        proxy does not say it: such a client gets nothing that is given by address."""
        peer = self._peer(connection)
        return self._named(connection, peer) if within(peer, self._trusted) else peer

    def _named(self, connection: HTTPConnection, peer: IpAddress | None) -> IpAddress | None:
        """The client that `peer`, a trusted proxy, names."""
        headers = connection.headers
        said = ForwardedHeaders(
            headers.getlist("x-forwarded-for"), headers.getlist("forwarded"), headers.getlist("x-real-ip")
        )
        return client_address(peer, said, self._trusted)

    @staticmethod
    def by_tls(connection: HTTPConnection) -> bool:
        """Whether the client itself says, or its proxy, that it came by TLS. Nothing may be allowed because of it."""
        said = connection.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        return connection.scope.get("scheme") in _TLS or said in _TLS

    def prefix(self, connection: HTTPConnection) -> str:
        """What a trusted proxy took away from the beginning of the path: ``/media`` where it serves ``/media/live/…``.
        Empty where it says nothing, or no path."""
        if not self._from_proxy(connection):
            return ""
        said = connection.headers.get("x-forwarded-prefix", "").strip().rstrip("/")
        return said if _PREFIX.fullmatch(said) else ""

    def forwarded_by_stranger(self, connection: HTTPConnection) -> bool:
        """Whether a request was forwarded, as its headers say, by somebody who is no trusted proxy. Its address is then
        that of the one who forwarded it, so nothing may be allowed because of it."""
        return not self._from_proxy(connection) and is_forwarded(connection.headers.keys())

    def _notice_proxy(self, peer: IpAddress | None) -> None:
        """All clients of such a proxy count as one, and none of them can be told from another."""
        metrics.UNDECLARED_PROXIES.inc()
        if not self._has_warned:
            self._has_warned = True
            log.warning(
                "Requests are forwarded by somebody who is no trusted proxy, so all clients behind it count as one and "
                "share its limits; if it is yours, name it in RILLCAST_SIGNALING_TRUSTED_PROXIES",
                address=str(peer),
            )

    def _from_proxy(self, connection: HTTPConnection) -> bool:
        return within(self._peer(connection), self._trusted)

    @staticmethod
    def _peer(connection: HTTPConnection) -> IpAddress | None:
        return parse_address(connection.client.host) if connection.client is not None else None
