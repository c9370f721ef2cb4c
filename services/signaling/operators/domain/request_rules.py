"""What a request may not look like, whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

FROM_HERE = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of a page of ours, and of what the user typed."""


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
