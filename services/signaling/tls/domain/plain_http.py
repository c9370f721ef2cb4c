"""What is answered on the plain port while there is one with TLS."""

from __future__ import annotations

import re
from urllib.parse import quote

CHALLENGES = "/.well-known/acme-challenge/"
"""Certificate authorities ask here without TLS (RFC 8555 section 8.3)."""
_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:\d{1,5})?")


def https_address(host: str, port: int, path: str, query: str) -> str | None:
    """The same resource by https. `host`: the request's Host header; None when it is no name or address.
    `path` is not encoded, `query` is."""
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    where = found["name"] if port == 443 else f"{found['name']}:{port}"
    return f"https://{where}{quote(path, safe=_PATH_SIGNS)}" + (f"?{query}" if query else "")


_PATH_SIGNS = "/:@!$&'()*+,;=-._~"
"""What stays as it is in a path (RFC 3986 section 3.3)."""
