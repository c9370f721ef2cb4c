"""Addresses of others, as they may be shown."""

from __future__ import annotations

import re

_URL = re.compile(r"((?:[^:/?#]+:)?//)?(?:[^/?#@]*@)?([^/?#@]*)(/[^?#@]*)?(?:[?#][^@]*)?")
_ORIGIN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@\\]*@)?(\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]]+)(:[0-9]+)?(?=[/?#]|$)"
)


def without_secrets(url: str) -> str:
    """The address without a name, a password, a query or a fragment: all of them may be secrets. For logs. What has
    an ``@`` elsewhere than before the host is not shown at all: it may belong to a password."""
    found = _URL.fullmatch(url)
    return "".join(part or "" for part in found.groups()) if found is not None else "an address that is not shown"


def origin_of(url: str) -> str | None:
    """The scheme, the host and the port of an address; None for one of which they cannot be told from the rest. A
    password may have any character, so an ``@`` behind the host is not believed to belong to a path."""
    found = _ORIGIN.match(url)
    if found is None or "@" in url[found.end() :]:
        return None
    scheme, host, port = found.groups(default="")
    return f"{scheme}{host}{port}"
