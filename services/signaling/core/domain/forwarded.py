"""The client's address as the proxies before us name it: X-Forwarded-For, Forwarded (RFC 7239), X-Real-IP.

Each proxy adds the address it was asked from at the right. So the lists are read from the right, as far as the
addresses are those of trusted proxies; what stands further left may have been sent by the client. An entry that is no
address (``unknown``, a hidden name, nonsense) makes the client's address unknown: nothing left of it can be believed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from services.signaling.core.domain.region import IpAddress, IpNetwork, parse_address, within

MOST_HOPS = 32
"""Proxies one behind the other; of a longer list nothing is believed."""
MOST_CHARACTERS = 8 * 1024
"""Of a line that is read; a longer one is not believed."""

_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[A-Za-z0-9._-]{1,32})?|([0-9.]+):[A-Za-z0-9._-]{1,32}")
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[^",;]+|[,;"]')
_ESCAPED = re.compile(r"\\(.)")


_FORWARDING = frozenset(
    {
        "forwarded",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
    }
)
"""Headers by which proxies say for whom they ask, besides all that begin with `_X_FORWARDED`."""
_X_FORWARDED = "x-forwarded"


def is_forwarded(headers: Collection[str]) -> bool:
    """Whether headers with these names, in lower case, come from a proxy. No name has a space in it."""
    return not _FORWARDING.isdisjoint(headers) or f" {_X_FORWARDED}" in f" {' '.join(headers)}"


class ForwardedHeaders(msgspec.Struct, frozen=True):
    """The lines of a request's headers that say whom it was forwarded for, in their order."""

    x_forwarded_for: Sequence[str] = ()
    forwarded: Sequence[str] = ()
    x_real_ip: Sequence[str] = ()


def client_address(peer: IpAddress | None, said: ForwardedHeaders, trusted: Iterable[IpNetwork]) -> IpAddress | None:
    """The client of a request that came from `peer`; None when a trusted proxy forwarded it and does not say for whom.

    Two lists must agree: a proxy writes one of them, and the other may be the client's. X-Real-IP has no hops, so it
    counts only where there is no list."""
    if not within(peer, trusted):
        return peer
    lists = [
        _outermost(hops, trusted)
        for lines, hops in (
            (said.x_forwarded_for, _listed(said.x_forwarded_for)),
            (said.forwarded, _elements(said.forwarded)),
        )
        if lines
    ]
    if lists:
        return lists[0] if lists.count(lists[0]) == len(lists) else None
    if said.x_real_ip:
        return hop_address(said.x_real_ip[0]) if len(said.x_real_ip) == 1 else None
    return peer


def hop_address(text: str) -> IpAddress | None:
    """The address in an entry, with or without a port: ``192.0.2.1:4711``, ``[2001:db8::1]:80``. None for others."""
    text = text.strip()
    found = _WITH_PORT.fullmatch(text)
    return parse_address((found[1] or found[2] or "") if found else text)


def _outermost(hops: Iterator[str], trusted: Iterable[IpNetwork]) -> IpAddress | None:
    """The first address from the right that is no trusted proxy's; the leftmost if all of them are."""
    address = None
    for number, hop in enumerate(hops):
        address = hop_address(hop) if number < MOST_HOPS else None
        if address is None or not within(address, trusted):
            return address
    return address


def _listed(lines: Sequence[str]) -> Iterator[str]:
    """Entries of X-Forwarded-For from the right; empty ones do not count (RFC 9110 §5.6.1)."""
    for line in reversed(lines):
        if len(line) > MOST_CHARACTERS:
            yield ""
        for entry in reversed(line.split(",")):
            if entry.strip():
                yield entry


def _elements(lines: Sequence[str]) -> Iterator[str]:
    """What ``for`` says in each element of Forwarded, from the right; empty where an element has none, or is broken."""
    for line in reversed(lines):
        parts = _PARTS.findall(line) if len(line) <= MOST_CHARACTERS else ['"']
        if '"' in parts:  # it begins a quoted string that does not end
            yield ""
            continue
        for element in reversed(_split(parts, ",")):
            if "".join(element).strip(" \t;"):
                yield _for_whom("".join(pair) for pair in _split(element, ";"))


def _split(parts: Sequence[str], separator: str) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for part in parts:
        if part == separator:
            groups.append([])
        else:
            groups[-1].append(part)
    return groups


def _for_whom(pairs: Iterable[str]) -> str:
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return _unquoted(value.strip())
    return ""


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    return _ESCAPED.sub(r"\1", value[1:-1]) if quoted else value
