"""Identifiers. Every id that crosses a process border has its own type."""

from __future__ import annotations

import re
import secrets
from typing import NewType

AppName = NewType("AppName", str)
StreamId = NewType("StreamId", str)
NodeId = NewType("NodeId", str)
SessionId = NewType("SessionId", str)
"""One negotiated WebRTC association of a publisher or viewer, unique in the cluster (128 random bits, hex)."""
SourceId = NewType("SourceId", int)
"""One fanned-out track inside one node's media plane."""
RelayId = NewType("RelayId", str)
TrackId = NewType("TrackId", str)
"""One rendition of one track inside a stream, unique in the stream: ``v0``, ``a0``, ``v0.h`` (layer), ``v0.360p``
(rung)."""

STREAM_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,255}")
APP_NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,32}")


def is_stream_id(text: str) -> bool:
    """Whether `text` obeys the public stream-id grammar (letters, digits, dot, underscore, hyphen)."""
    return STREAM_ID_PATTERN.fullmatch(text) is not None


def is_app_name(text: str) -> bool:
    """Whether `text` is a possible app name."""
    return APP_NAME_PATTERN.fullmatch(text) is not None


def new_session_id() -> SessionId:
    """A fresh, unguessable session id."""
    return SessionId(secrets.token_hex(16))


def stream_key(app: AppName, stream: StreamId) -> str:
    """Key of a stream in JetStream KV: ``<app>/<id>`` with dots escaped as ``=2E``, since KV keys may not hold
    ``..`` or end in a dot."""
    return f"{app}/{stream.replace('.', '=2E')}"


def split_stream_key(key: str) -> tuple[AppName, StreamId]:
    """Inverse of `stream_key`. Raises ValueError on anything else."""
    app, slash, stream = key.partition("/")
    if not slash:
        raise ValueError(f"not a stream key: {key!r}")
    return AppName(app), StreamId(stream.replace("=2E", "."))
