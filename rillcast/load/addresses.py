"""Where generated peers send from, and whether a server is on this machine."""

from __future__ import annotations

import ipaddress

import psutil

_LOCAL_SPREAD = int(ipaddress.IPv4Address("127.1.0.1"))


def spread_addresses(count: int) -> list[str]:
    """An address of 127.1.0.0/16 for each peer: for a server on this machine they all share one socket, which is
    cheapest,
    so the generator saturates last."""
    return [str(ipaddress.IPv4Address(_LOCAL_SPREAD + i)) for i in range(count + count // 10 + 1)]


def is_on_this_machine(remote: str, own: frozenset[str]) -> bool:
    """Whether loopback addresses reach ``ip:port``: `own` are this machine's addresses."""
    address = ipaddress.ip_address(remote.rpartition(":")[0].strip("[]"))
    return address.version == 4 and (address.is_loopback or str(address) in own)


def own_addresses() -> frozenset[str]:
    """Every address of this machine."""
    return frozenset(a.address.split("%")[0] for addresses in psutil.net_if_addrs().values() for a in addresses)
