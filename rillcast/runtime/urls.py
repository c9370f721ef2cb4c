"""Addresses of others, as they may be shown."""

from __future__ import annotations

import re

_URL = re.compile(r"((?:[^:/?#]+:)?//)?(?:[^/?#@]*@)?([^/?#@]*)(/[^?#@]*)?(?:[?#][^@]*)?")


def without_secrets(url: str) -> str:
    """The address without a name, a password, a query or a fragment: all of them may be secrets. For logs. What has
    an ``@`` elsewhere than before the host is not shown at all: it may belong to a password."""
    found = _URL.fullmatch(url)
    return "".join(part or "" for part in found.groups()) if found is not None else "an address that is not shown"
