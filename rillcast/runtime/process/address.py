"""Finding the address under which others reach this machine."""

from __future__ import annotations

import socket

import psutil


def local_address() -> str:
    """An IPv4 address of this machine that isn't loopback, preferring the one its default route uses; else 127.0.0.1.

    Browsers such as Firefox refuse loopback candidates, so the default must work for them too. Sends nothing.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address that is nobody's; connecting UDP only picks a route
            address: str = probe.getsockname()[0]
        except OSError:
            return _first_interface_address()
    return address if not address.startswith("127.") else _first_interface_address()


def _first_interface_address() -> str:
    for addresses in psutil.net_if_addrs().values():
        for entry in addresses:
            if entry.family == socket.AF_INET and not entry.address.startswith(("127.", "169.254.")):
                return entry.address
    return "127.0.0.1"
