"""Connections of webhooks: to whatever address a name has, but for the networks that the operator excludes.

The address is judged that is connected to, after the name was looked up, so no name leads around the rule.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore
import httpx

from services.signaling.core.domain.region import IpAddress, IpNetwork, within

Option = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Looks names up and connects to the first address that may be connected to."""

    def __init__(self, refused: tuple[IpNetwork, ...]) -> None:
        """`refused`: networks that nobody is connected to."""
        self._refused = refused
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 as httpcore's port has it
        local_address: str | None = None,
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore. Raises `httpcore.ConnectError`, also for what may not be connected to."""
        try:
            async with asyncio.timeout(timeout):
                return await self._connected(host, port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error

    async def _connected(
        self,
        host: str,
        port: int,
        timeout_s: float | None,
        local_address: str | None,
        socket_options: Iterable[Option] | None,
    ) -> httpcore.AsyncNetworkStream:
        found = [one for one in await _addresses(host, port) if not within(_plain(one), self._refused)]
        failure: Exception = httpcore.ConnectError("no webhook may be sent to that address")
        for address in found:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout_s, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 as httpcore's port has it
        socket_options: Iterable[Option] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """There is none that a webhook could have. Raises `httpcore.ConnectError`."""
        raise httpcore.ConnectError("webhooks have no Unix sockets")

    async def sleep(self, seconds: float) -> None:
        """Wait so long, as httpcore does between its tries."""
        await self._inner.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx over a guarded network."""

    def __init__(self, network: GuardedNetwork, limits: httpx.Limits) -> None:
        super().__init__(limits=limits, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=network,
        )


async def _addresses(host: str, port: int) -> list[IpAddress]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name is not known: {error}") from error
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found))


def _plain(address: IpAddress) -> IpAddress:
    """IPv4 is judged as IPv4, also where it comes in IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
