"""Identifiers. Every id that crosses a process border has its own type, and decoding refuses whatever cannot be one."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, NewType

import msgspec

from rillcast.contracts.grammars import grammar, matches


def _plain(longest: int) -> msgspec.Meta:
    return grammar(rf"[A-Za-z0-9_-]{{1,{longest}}}", f"1 to {longest} letters, digits, underscores and hyphens")


def _dotted(longest: int) -> msgspec.Meta:
    return grammar(rf"[A-Za-z0-9._-]{{1,{longest}}}", f"1 to {longest} letters, digits, dots, underscores and hyphens")


_APP_NAME = _plain(64)
_A_STREAM_ID = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}"
_STREAM_ID = grammar(_A_STREAM_ID, "1 to 255 letters, digits, dots, underscores and hyphens, not only one or two dots")
AppName = NewType("AppName", Annotated[str, _APP_NAME])
"""The name of an app, e.g. ``live``: 1 to 64 letters, digits, underscores and hyphens."""
StreamId = NewType("StreamId", Annotated[str, _STREAM_ID])
"""The id of a stream, unique in its app: 1 to 255 letters, digits, dots, underscores and hyphens. It is a segment of
paths, and so neither ``.`` nor ``..``, which no client could address."""
MaybeStreamId = Annotated[
    str,
    grammar(
        f"|{_A_STREAM_ID}",
        "nothing, or 1 to 255 letters, digits, dots, underscores and hyphens, not only one or two dots",
    ),
]
"""A `StreamId`, or the empty text for none."""
NodeId = NewType("NodeId", Annotated[str, _plain(64)])
"""The id of a running service process, unique in the cluster: 1 to 64 letters, digits, underscores and hyphens."""
SessionId = NewType("SessionId", Annotated[str, _plain(64)])
"""The id of one negotiated WebRTC association of a publisher or a viewer, unique in the cluster (128 random bits, in
hex)."""
RelayId = NewType("RelayId", Annotated[str, _dotted(64)])
"""The id of one relay between two nodes, chosen by the child."""
ClaimId = NewType("ClaimId", Annotated[str, _plain(64)])
"""The id of one claim of a lease (64 random bits, in hex). It stays the same for as long as its owner stands by what it
has given to others."""
UNSAID_CLAIM = ClaimId("-")
"""The claim of owners that speak version 3 of the protocol, which had none. It is below every other one."""
TrackId = NewType("TrackId", Annotated[str, _dotted(64)])
"""The id of one rendition of one track, unique in its stream: ``v0``, ``a0``, ``v0.h`` (a simulcast layer), ``v0.360p``
(a rung)."""
JobKind = NewType("JobKind", Annotated[str, _plain(32)])
"""What a transcoder does with a stream. Part of a key in the store, hence no closed enum: a node reads the records of
jobs that only newer versions know."""

LADDER = JobKind("ladder")
"""Renditions in several sizes."""


def is_stream_id(text: str) -> bool:
    """Whether `text` obeys the public grammar of stream ids (see `StreamId`)."""
    return matches(_STREAM_ID, text)


def is_app_name(text: str) -> bool:
    """Whether `text` obeys the grammar of app names (see `AppName`)."""
    return matches(_APP_NAME, text)


def new_session_id() -> SessionId:
    """A new session id that nobody can guess."""
    return SessionId(secrets.token_hex(16))


def session_mark(session: SessionId) -> str:
    """By what people can tell a session from others. It opens nothing: the id does not follow from it."""
    return hashlib.sha256(session.encode()).hexdigest()[:16]


def new_claim_id() -> ClaimId:
    """A new claim id, which no other claim has."""
    return ClaimId(secrets.token_hex(8))


def stream_key(app: AppName, stream: StreamId) -> str:
    """The key of a stream in JetStream KV: ``<app>/<id>``, with dots escaped as ``=2E``, since such a key may neither
    hold ``..`` nor end in a dot."""
    return f"{app}/{stream.replace('.', '=2E')}"


def job_key(stream: str, kind: JobKind) -> str:
    """Key of a media job in JetStream KV: ``<stream key>/<kind>``."""
    return f"{stream}/{kind}"


def split_stream_key(key: str) -> tuple[AppName, StreamId]:
    """The app and the stream that a key of `stream_key` names. Raises ValueError for any other text."""
    app, slash, stream = key.partition("/")
    if not slash:
        raise ValueError(f"not a stream key: {key!r}")
    return AppName(app), StreamId(stream.replace("=2E", "."))
