"""What a request may not look like, whoever sends it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

FROM_HERE = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of a page of ours, and of what the user typed."""


def host_of(authority: str) -> str:
    """The host without the port, in lower case and without a dot at its end; empty when it makes no sense."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def host_is_ours(authority: str, names: frozenset[str]) -> bool:
    """Whether nobody else can have named this host: an IP address, this machine, or one of `names`. A page of another
    site that has its own name resolved to our address (DNS rebinding) sends that name."""
    host = host_of(authority)
    if host in names or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def from_our_page(headers: Mapping[str, str], authority: str) -> bool:
    """Whether no other site's page sends this. Browsers say it by ``Sec-Fetch-Site`` where the connection is safe, and
    by ``Origin`` with everything but GET; whoever sends neither is no browser, and has no cookie of somebody else."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in FROM_HERE
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return bool(authority) and urlsplit(origin).netloc.lower() == authority.lower()
    except ValueError:
        return False
