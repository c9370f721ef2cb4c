"""What a client has already, and how it takes an answer: conditional requests and content codings of RFC 9110. No
I/O."""

from __future__ import annotations

import re

GZIP, IDENTITY = "gzip", "identity"
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CODING = re.compile(rf"({_WORD})\s*(?:;\s*[qQ]\s*=\s*(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?)\s*)?", re.ASCII)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*(?:,\s*)*')
_BETWEEN = re.compile(r"\s*(?:,\s*)*")
_SAME = {"x-gzip": GZIP}


def takes_gzip(accept_encoding: str) -> bool:
    """Whether a client that sent this ``Accept-Encoding`` is to be sent gzip: it takes it, and does not like the bytes
    as they are better (RFC 9110, 12.5.3). Without the header, or with one that makes no sense, it is sent those: every
    client takes them."""
    weights: dict[str, float] = {}
    for part in accept_encoding.split(","):
        if not (one := part.strip()):
            continue
        found = _CODING.fullmatch(one)
        if found is None:
            return False
        name = found[1].lower()
        weights.setdefault(_SAME.get(name, name), float(found[2]) if found[2] else 1.0)
    anything = weights.get("*")
    gzip = weights.get(GZIP, anything if anything is not None else 0.0)
    return gzip > 0 and gzip >= weights.get(IDENTITY, 0.0)


def has_already(if_none_match: str, tag: str) -> bool:
    """Whether a client that sent this ``If-None-Match`` has what has this ETag: it named it in its list, weak or not,
    or takes whatever there is (RFC 9110, 13.1.2). A list that makes no sense names nothing."""
    value = if_none_match.strip()
    if value == "*":
        return True
    at, found = _BETWEEN.match(value).end(), False  # type: ignore[union-attr]
    while at < len(value):
        one = _TAG.match(value, at)
        if one is None:
            return False
        found = found or one[1] == tag
        if one.end() < len(value) and "," not in one[0][len(one[1]) :]:
            return False
        at = one.end()
    return found
