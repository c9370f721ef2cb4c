"""Addresses of clients as limits see them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_ONE_CLIENT_IPV6 = 64
"""Bits of an IPv6 address that tell clients apart: each of them may use all addresses of its /64 (RFC 6177)."""

_MAX_ADDRESS = 80
"""Characters of an address with a zone id."""


def counted_as(host: str) -> str:
    """What the address `host` is counted as: an IPv6 address as its /64, an IPv4-mapped one as IPv4, anything else as
    itself."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _ONE_CLIENT_IPV6), strict=False))


def is_within(host: str, networks: Iterable[IpNetwork]) -> bool:
    """Whether `host` is an address in one of `networks`."""
    if not networks or len(host) > _MAX_ADDRESS:
        return False
    address = _parsed(host)
    return address is not None and any(address in one for one in networks if one.version == address.version)


@lru_cache(4_096)
def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IPv4-mapped address as IPv4; None for anything else than an address. One that was asked about will be again,
    by each connection and by each join."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
