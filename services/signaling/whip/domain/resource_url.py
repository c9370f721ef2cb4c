"""WHIP and WHEP resources: a signed name that tells any instance which session it means and where that lives.

The entity tag names the ICE session (RFC 9725 §4.3.1). It is signed too, so every instance can tell a tag of this
session from a foreign one; which of a session's tags is the latest is known for certain only to the instance that
issued it, and remembered there.
"""

from __future__ import annotations

import base64
import hmac
from collections import OrderedDict
from collections.abc import Collection, Iterable

import msgspec

from rillcast.contracts.decoding import decode_json
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.media.sdp import IcePair, ice_pairs

MOST_PAIRS = 4
"""Pairs of ICE credentials of one client that are known again. Clients that bundle their m-lines have one."""
MARK = 12
"""Hexadecimal digits of the mark of one part of a pair."""
_MARKS = "-"
_HEAD = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""The header of all names, ``{"alg":"HS256","typ":"JWT"}``. Nothing with another one is read any further."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One WHIP or WHEP session."""

    role: str
    """``whip`` or ``whep``."""
    app: AppName
    stream: StreamId
    session: SessionId
    node: NodeId
    holder: str = ""
    """By what a publisher is known when it publishes anew at the resource's URL; empty for viewers."""
    ice: tuple[str, ...] = ()
    """Marks of the ICE credentials with which the client began, see `ResourceSigner.ice_marks`."""


class ResourceSigner:
    """Names resources and reads the names again.

    A name is a JWT of one form only, HS256 with one key. A library that knows all forms asks more of each name than
    everything else in the answer to a join.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, resource: Resource) -> str:
        """The last segment of the resource's URL."""
        claims: dict[str, str] = {
            "r": resource.role,
            "a": resource.app,
            "i": resource.stream,
            "s": resource.session,
            "n": resource.node,
        }
        if resource.holder:
            claims["h"] = resource.holder
        if resource.ice:
            claims["u"] = " ".join(resource.ice)
        signed = f"{_HEAD}.{_base64url(msgspec.json.encode(claims))}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, name: str, role: str, app: str, stream: str) -> Resource | None:
        """The resource, or None when the name isn't ours or belongs to another URL."""
        signed, _, signature = name.rpartition(".")
        head, _, body = signed.partition(".")
        if not name.isascii() or head != _HEAD or not hmac.compare_digest(signature, self._signature(signed)):
            return None
        try:
            claims = decode_json(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), dict[str, str])
            resource = Resource(
                role=claims["r"],
                app=AppName(claims["a"]),
                stream=StreamId(claims["i"]),
                session=SessionId(claims["s"]),
                node=NodeId(claims["n"]),
                holder=claims.get("h", ""),
                ice=tuple(claims.get("u", "").split()),
            )
        except (KeyError, ValueError):
            return None
        fits = (resource.role, resource.app, resource.stream) == (role, app, stream)
        return resource if fits else None

    def tag(self, session: SessionId, ice_session: str, ice: Iterable[str] = ()) -> str:
        """The quoted entity tag of one ICE session; `ice_session` is any name of it that doesn't come again. `ice`:
        marks of the credentials with which a restart began it."""
        ice_session = _MARKS.join((ice_session, *ice))
        return f'"{ice_session}.{self._mark(session, ice_session)}"'

    def is_tag_of(self, session: SessionId, tag: str) -> bool:
        """Whether we issued this tag for this session, now or earlier."""
        ice_session, dot, mark = tag.strip().removeprefix("W/").strip('"').rpartition(".")
        return bool(dot) and hmac.compare_digest(mark.encode(), self._mark(session, ice_session).encode())

    @staticmethod
    def marks_in(tag: str) -> list[str]:
        """The marks of credentials in a tag of ours."""
        return tag.strip('"').rpartition(".")[0].split(_MARKS)[1:]

    def ice_marks(self, session: SessionId, text: str) -> tuple[str, ...]:
        """Marks of the ICE credentials in a description or a fragment: they can be compared, and not read."""
        return tuple(self._ice_mark(session, pair) for pair in ice_pairs(text)[:MOST_PAIRS])

    def are_known(self, session: SessionId, pairs: Iterable[IcePair], marks: Collection[str]) -> bool:
        """Whether these are credentials with one of the marks. Of half a pair only that half is compared."""
        known = [mark.partition(".") for mark in marks]
        wanted = [self._ice_mark(session, pair).partition(".") for pair in pairs]
        return all(any(_fits(one, other) for other in known) for one in wanted)

    def _ice_mark(self, session: SessionId, pair: IcePair) -> str:
        return ".".join(self._digest(f"ice {session} {part}")[:MARK] if part else "" for part in pair)

    def _mark(self, session: SessionId, ice_session: str) -> str:
        return self._digest(f"tag {session} {ice_session}")[:20]

    def _signature(self, signed: str) -> str:
        return _base64url(hmac.digest(self._key, signed.encode(), "sha256"))

    def _digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _fits(wanted: tuple[str, str, str], known: tuple[str, str, str]) -> bool:
    return all(part in ("", other) for part, other in zip(wanted, known, strict=True))


class Restarted(msgspec.Struct, frozen=True):
    """An ICE restart that was done here, as long as it is the latest."""

    marks: tuple[str, ...]
    """Of the client's credentials since then."""
    answer: str
    """What the client was told."""


class LatestTags:
    """The tag of each session last issued here; the oldest are forgotten."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._tags: OrderedDict[SessionId, tuple[str, Restarted | None]] = OrderedDict()

    def set(self, session: SessionId, tag: str, restarted: Restarted | None = None) -> None:
        """This is the session's tag from now on. `restarted`: the restart that made it so."""
        self._tags[session] = (tag, restarted)
        self._tags.move_to_end(session)
        if len(self._tags) > self._most:
            self._tags.popitem(last=False)

    def drop(self, session: SessionId) -> None:
        """The session is over, and its tag is forgotten."""
        self._tags.pop(session, None)

    def is_outdated(self, session: SessionId, tag: str) -> bool:
        """Whether a later tag was issued here."""
        latest = self._tags.get(session)
        return latest is not None and latest[0] != tag

    def restarted(self, session: SessionId) -> tuple[str, Restarted] | None:
        """The tag and the restart that made it; None where none was done here."""
        tag, restarted = self._tags.get(session, ("", None))
        return None if restarted is None else (tag, restarted)
