"""Who is at the other end of a request or socket: address behind trusted proxies, browser, region."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from services.signaling.core.domain.identity import Client
from services.signaling.core.domain.region import IpAddress, IpNetwork, RegionFinder, parse_address, within

MAX_USER_AGENT = 512
MAX_FORWARDED = 32


class ClientReader:
    """One per signaling instance."""

    def __init__(self, regions: RegionFinder, trusted_proxies: tuple[IpNetwork, ...], region_header: str) -> None:
        self._regions = regions
        self._trusted = trusted_proxies
        self._region_header = region_header

    def read(self, connection: HTTPConnection) -> Client:
        """The client behind a request: its address, agent, and place, as far as a trusted proxy or a table tells."""
        address = self.address(connection)
        header = ""
        if self._region_header and self._from_proxy(connection):
            header = connection.headers.get(self._region_header, "").strip()
        asked = connection.query_params.get("region", "")
        return Client(
            address=str(address) if address is not None else "",
            user_agent=connection.headers.get("user-agent", "")[:MAX_USER_AGENT],
            place=self._regions.find(asked=asked, header=header, address=address),
        )

    def address(self, connection: HTTPConnection) -> IpAddress | None:
        """The address the client has as seen by the outermost trusted proxy, or by us without one."""
        peer = self._peer(connection)
        if not within(peer, self._trusted):
            return peer
        forwarded = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")[-MAX_FORWARDED:]
        for text in reversed(forwarded):
            address = parse_address(text)
            if address is None:
                break
            if not within(address, self._trusted):
                return address
        return parse_address(connection.headers.get("x-real-ip", "")) or peer

    def _from_proxy(self, connection: HTTPConnection) -> bool:
        return within(self._peer(connection), self._trusted)

    @staticmethod
    def _peer(connection: HTTPConnection) -> IpAddress | None:
        return parse_address(connection.client.host) if connection.client is not None else None
