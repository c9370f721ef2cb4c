"""Addresses of clients as limits see them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_ONE_CLIENT_IPV6 = 64
"""Bits of an IPv6 address that tell clients apart: each of them may use all addresses of its /64 (RFC 6177)."""


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
    if not networks:
        return False
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks if network.version == address.version)
