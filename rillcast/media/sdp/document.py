"""SDP text to lines and m-lines (RFC 8866), whatever the attributes mean. Refuses what is hostile or broken.

aiortc's parser serves our tests as an independent reader; it is not used here because it knows no RIDs, raises
assertion and index errors on bad input, and drops attributes it does not know.
"""

from __future__ import annotations

import re

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError

MAX_CHARACTERS = 256 * 1024
MAX_MEDIA_SECTIONS = 32
MAX_MID = 16
"""The longest mid that fits into a one-byte RTP header extension (RFC 8285 §4.2)."""

Attributes = dict[str, list[str]]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_MEDIA = re.compile(r"([a-z]{1,16}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z/]{1,32})((?: [!-~]{1,64})+)")
_FOR_ALL_MEDIA = ("extmap",)
"""Attributes that count for every m-line when they stand before the first one (RFC 8285 §6)."""
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


class MediaSection(msgspec.Struct, frozen=True):
    """One m-line and what belongs to it."""

    index: int
    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes
    mid: str = ""
    """The value of ``a=mid``; empty when there is none."""
    direction: str = "sendrecv"

    @property
    def label(self) -> str:
        """What error messages call this m-line."""
        return f"m-line {self.index} ({self.kind})"

    @property
    def refused(self) -> bool:
        """Whether the m-line is not offered, or refused by the answerer: port 0 without ``bundle-only`` (RFC 8843
        §6, RFC 3264 §6)."""
        return self.port == 0 and "bundle-only" not in self.attributes

    def values(self, name: str) -> list[str]:
        """Every value of an attribute, in order."""
        return self.attributes.get(name, [])

    def first(self, name: str) -> str | None:
        """The first value of an attribute; empty for a flag."""
        values = self.attributes.get(name)
        return values[0] if values else None


class Document(msgspec.Struct, frozen=True):
    """A whole session description."""

    attributes: Attributes
    sections: tuple[MediaSection, ...]
    bundle: tuple[str, ...]
    """The mids of the (first) BUNDLE group, in order; the first is the tagged one (RFC 8843 §7.2.1)."""
    username: str = ""
    """Of the origin, ``o=`` (RFC 8866 §5.2). Browsers write ``-``, or their name."""


def bad(message: str) -> RillcastError:
    """The error for every fault of a remote description. `message` names what was wrong."""
    return RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, message)


def shown(text: str) -> str:
    """A short quotation of a peer's text, which is safe in messages and in logs."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def is_token(text: str) -> bool:
    """Whether `text` is a token as RFC 8866 defines it."""
    return _TOKEN.fullmatch(text) is not None


def parse_document(text: str) -> Document:
    """Take a session description apart. Raises `RillcastError` (BAD_REMOTE_DESCRIPTION)."""
    session: Attributes = {}
    username = ""
    headers: list[tuple[str, Attributes]] = []
    target = session
    for kind, value in _lines(text):
        if kind == "m":
            if len(headers) == MAX_MEDIA_SECTIONS:
                raise bad(f"the description has more than {MAX_MEDIA_SECTIONS} m-lines")
            target = {}
            headers.append((value, target))
        elif kind == "o":
            username = value.partition(" ")[0]
        elif kind == "a":
            name, _, content = value.partition(":")
            target.setdefault(name, []).append(content.strip())
    if not headers:
        raise bad("the description has no m-line")
    fallback = _direction(session, "sendrecv")
    for_all = {name: session[name] for name in _FOR_ALL_MEDIA if name in session}
    sections = tuple(
        _section(i, header, for_all | attributes, fallback) for i, (header, attributes) in enumerate(headers)
    )
    mids = [section.mid for section in sections if section.mid]
    if len(set(mids)) != len(mids):
        raise bad("two m-lines have the same a=mid")
    return Document(session, sections, _bundle(session, mids), username)


def split_attribute_lines(text: str) -> list[tuple[str, str]]:
    """The lines of an SDP fragment as (type, value), without the blanks at their ends. The limits are those of a whole
    description."""
    if len(text) > MAX_CHARACTERS:
        raise bad(f"the description is longer than {MAX_CHARACTERS // 1024} KiB")
    if _CONTROL.search(text):
        raise bad("the description holds binary data")
    lines = []
    for number, written in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = written.rstrip(" \t")
        if not line:
            continue
        if len(line) < 2 or line[1] != "=" or not "a" <= line[0] <= "z" or "\r" in line:
            raise bad(f"line {number} of the description is not of the form <type>=<value>")
        lines.append((line[0], line[2:]))
    return lines


def _lines(text: str) -> list[tuple[str, str]]:
    if not text.strip():
        raise bad("the description is empty")
    lines = split_attribute_lines(text)
    if not lines or lines[0] != ("v", "0"):
        raise bad("the description does not begin with v=0")
    return lines


def _section(index: int, header: str, attributes: Attributes, fallback: str) -> MediaSection:
    match = _MEDIA.fullmatch(" ".join(header.split()))
    if match is None:
        raise bad(f"m-line {index} is malformed: {shown(header)}")
    kind, port, protocol, formats = match.groups()
    if int(port) > 65535:
        raise bad(f"m-line {index} ({kind}) has port {port}")
    mid = attributes["mid"][0] if "mid" in attributes else ""
    if "mid" in attributes and (len(mid) > MAX_MID or not is_token(mid)):
        raise bad(f"m-line {index} ({kind}) has the mid {shown(mid)}; 1–{MAX_MID} token characters are possible")
    return MediaSection(
        index, kind, int(port), protocol, tuple(formats.split()), attributes, mid, _direction(attributes, fallback)
    )


def _direction(attributes: Attributes, fallback: str) -> str:
    return next((direction for direction in DIRECTIONS if direction in attributes), fallback)


def _bundle(session: Attributes, mids: list[str]) -> tuple[str, ...]:
    for group in session.get("group", []):
        semantics, *members = group.split()[: MAX_MEDIA_SECTIONS + 1] or [""]
        if semantics == "BUNDLE":
            known = set(mids)
            return tuple(dict.fromkeys(mid for mid in members if mid in known))
    return ()
