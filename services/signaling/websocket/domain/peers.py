"""By what the two ends of an association are told apart: the certificates that their descriptions name."""

from __future__ import annotations

import re

MAX_PEER = 512
"""Characters of a peer's fingerprints that are compared."""

_FINGERPRINT = re.compile(r"^a=fingerprint:[ \t]*([^\r\n]+)", re.MULTILINE | re.IGNORECASE)


def peer_of(sdp: str) -> str:
    """All fingerprints in a description; empty without any. A peer connection of a browser or of a phone has a
    certificate of its own, and a node one for all its sessions."""
    found = {" ".join(value.lower().split()) for value in _FINGERPRINT.findall(sdp)}
    return " ".join(sorted(found))[:MAX_PEER]
