"""What a client means by a PATCH of its session: candidates, which nothing depends on, or an ICE restart.

We are an ICE-lite agent, so candidates change nothing, and whoever sends them is let through however it writes them. A
restart changes the session, so it needs a condition (RFC 9725 §4.3.3), and what is no restart is never taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto

import msgspec

from rillcast.contracts.errors import ErrorCode, RillcastError

ANY = "*"
_MAX_CANDIDATES = 256
_CODING = re.compile(r"(?:--?|;)(?:gzip|br|deflate|zstd)$")
"""What servers in front add to a tag when they compress: Apache ``-gzip``, Jetty ``--gzip``, others ``;br``."""


class Condition(Enum):
    """What the ``If-Match`` of a request demands."""

    NONE = auto()
    """There is no such header."""
    PRESENT = auto()
    """One of its tags is that of the session's present ICE session."""
    ANY = auto()
    """It takes whatever the session is now."""
    OTHER = auto()
    """All of its tags are of former ICE sessions, of other sessions, or made up."""


def tags_of(lines: Sequence[str]) -> list[str]:
    """The entity tags in all ``If-Match`` lines of a request, as we issue them: a proxy that compresses answers marks
    their tags as weak or by the coding's name, and some clients take the quotes away. `ANY` stays as it is."""
    return [_strong(tag) for line in lines for tag in line.split(",") if tag.strip()]


def _strong(tag: str) -> str:
    tag = tag.strip()
    if tag == ANY:
        return ANY
    bare = tag[2:] if tag[:2] in ("W/", "w/") else tag
    return f'"{_CODING.sub("", bare.strip().strip(chr(34)))}"'


class _Candidate(msgspec.Struct):
    """`RTCIceCandidate.toJSON()`."""

    candidate: str | None


class _Candidates(msgspec.Struct):
    candidates: list[_Candidate]


class _Event(msgspec.Struct):
    candidate: _Candidate


_SHAPES = (_Candidate | None, list[_Candidate], _Candidates, _Event)


def is_json(body: bytes) -> bool:
    """Whether a body is meant as JSON, whatever its content type says: no line of a fragment begins so."""
    return body.lstrip()[:1] in (b"{", b"[") or body.strip() == b"null"


def check_json_candidates(body: bytes) -> None:
    """Some clients send the candidates of WebRTC's API as JSON: one, a list, or either under its name. The event after
    the last one has ``null``, and some send nothing then. Raises BAD_REMOTE_DESCRIPTION for anything else. It can't
    mean a restart, since it has no password."""
    if not body.strip():
        return
    for shape in _SHAPES:
        try:
            found = msgspec.json.decode(body, type=shape)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            continue
        if not isinstance(found, list) or len(found) <= _MAX_CANDIDATES:
            return
    raise RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "the body is JSON, and no ICE candidate")
