"""SDP fragments of WHIP and WHEP: trickled candidates and ICE restarts (RFC 8840 §9, RFC 9725 §4.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rillcast.media.sdp.document import bad, shown, split_attribute_lines
from rillcast.media.sdp.transport import check_credentials

MAX_CANDIDATES = 256

_CREDENTIALS = re.compile(r"^(?:m=|a=ice-(ufrag|pwd):[ \t]*([^\r\n]*))", re.MULTILINE)
_CANDIDATE = re.compile(
    r"candidate:[!-~]{1,64} [0-9]{1,5} [!-~]{1,16} [0-9]{1,10} [!-~]{1,255} [0-9]{1,5} typ [a-z]{1,16}(?: .*)?"
)


class IceFragment(NamedTuple):
    """What a client sends to restart ICE."""

    ufrag: str
    pwd: str
    candidates: tuple[str, ...]
    """Values ``candidate:…``. An ICE-lite agent does not use them, since it learns addresses from checks."""


def restart_ice_fragment(fragment: str) -> IceFragment:
    """Read the ICE credentials in a body of the type ``application/trickle-ice-sdpfrag``. Raises `RillcastError` for
    a broken one."""
    attributes = _attributes(fragment)
    ufrag, pwd = check_credentials(attributes.get("ice-ufrag"), attributes.get("ice-pwd"))
    return IceFragment(ufrag, pwd, parse_candidates(fragment))


class IcePair(NamedTuple):
    """One pair of ICE credentials as a peer wrote it. A part that it left out is empty."""

    ufrag: str
    pwd: str


def ice_pairs(text: str) -> tuple[IcePair, ...]:
    """The ICE credentials in a fragment or a description, in their order: those of the session, and those of each
    m-line. Takes any text."""
    pairs = []
    found = {"ufrag": "", "pwd": ""}
    for match in [*_CREDENTIALS.finditer(text), None]:
        if match is not None and match[1]:
            found[match[1]] = found[match[1]] or match[2].strip()
        elif any(found.values()):
            pairs.append(IcePair(**found))
            found = {"ufrag": "", "pwd": ""}
    return tuple(dict.fromkeys(pairs))


def parse_candidates(fragment: str) -> tuple[str, ...]:
    """The values ``candidate:…`` of a fragment. Empty ones and the end mark are left out. Raises `RillcastError` for
    a broken one."""
    found = []
    for kind, value in split_attribute_lines(fragment):
        if kind != "a" or not value.startswith("candidate:") or value.strip() == "candidate:":
            continue
        if not _CANDIDATE.fullmatch(value):
            raise bad(f"malformed candidate {shown(value)}")
        found.append(value)
        if len(found) > MAX_CANDIDATES:
            raise bad(f"more than {MAX_CANDIDATES} candidates")
    return tuple(found)


def write_ice_fragment(ufrag: str, pwd: str, candidates: Sequence[str]) -> str:
    """Our answer to an ICE restart. `candidates` are what `local_candidates` or `RestartIceAnswer` has."""
    lines = [
        "a=ice-lite",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        *(f"a={candidate}" for candidate in candidates),
        "a=end-of-candidates",
    ]
    return "\r\n".join(lines) + "\r\n"


def _attributes(fragment: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind, value in split_attribute_lines(fragment):
        if kind == "a":
            name, _, content = value.partition(":")
            found.setdefault(name, content.strip())
    return found
