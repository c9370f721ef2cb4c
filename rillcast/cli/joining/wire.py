"""What an invitation and the machine that comes with it say to each other: one line of JSON each way, over TLS.

The token names the certificate of the inviting machine by its fingerprint. So the one who joins knows whom he talks to
before he shows the secret, and needs no authority for that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Annotated

import msgspec

from rillcast.cli.faults import WrongUse
from rillcast.contracts.words import NodeKind

TOKEN_BEGINS = "rillcast-join-"
MOST_QUESTION = 4_096
"""Bytes of the line of the one who joins."""
MOST_ANSWER = 262_144
MOST_TOKEN = 1_024
Kinds = Annotated[tuple[NodeKind, ...], msgspec.Meta(min_length=1, max_length=len(NodeKind))]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator carries from one machine to the other."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    fingerprint: bytes
    """SHA-256 of the certificate (DER) that the inviting machine shows."""
    secret: str
    kinds: Kinds

    def written(self) -> str:
        """As it is printed."""
        return TOKEN_BEGINS + base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


class Question(msgspec.Struct, frozen=True):
    """Who joins, and what it wants to be."""

    secret: str
    kinds: Kinds
    machine: Annotated[str, msgspec.Meta(max_length=253)]
    """Its host name, for the operator to read. It proves nothing."""


class Answer(msgspec.Struct, frozen=True):
    """What it gets, or why it gets nothing."""

    why_not: str = ""
    settings: str = ""
    """The lines of the environment file that all nodes of the cluster have."""
    authorities: str = ""
    """The certificates (PEM) that vouch for NATS; empty: those of the system."""
    seeds: dict[NodeKind, str] = {}


def read_token(text: str) -> Token:
    """What was printed. Raises WrongUse."""
    text = "".join(text.split())
    body = text.removeprefix(TOKEN_BEGINS)
    try:
        if body == text or len(text) > MOST_TOKEN:
            raise ValueError
        token = msgspec.json.decode(base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True), type=Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise WrongUse("this is no token that `rillcast invite` has printed, or a part of it is missing") from None
    if len(token.fingerprint) != hashlib.sha256().digest_size:
        raise WrongUse("this token names no certificate")
    return token


_SETTING = re.compile(r"(RILLCAST_[A-Z0-9_]+)=(.*)")
_SECRET = re.compile(r".*(NKEY|PASSWORD|SECRET|TOKEN|CREDENTIALS|_KEY)$")
_PASSWORD_IN_ADDRESS = re.compile(r"//[^/@,\s]*@")


def settings_in(text: str) -> dict[str, str]:
    """The settings in the lines of an environment file. Raises ValueError for a line that is none, and for one that
    holds a secret: everybody on the machine may read this file."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _SETTING.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"line {number} is no setting like RILLCAST_NATS_URL=…")
        if _SECRET.fullmatch(match[1]):
            raise ValueError(f"line {number}: {match[1]} is a secret, and this file is read by everybody")
        if _PASSWORD_IN_ADDRESS.search(match[2]):
            raise ValueError(f"line {number}: {match[1]} has a user or a password in it, and everybody reads this file")
        found[match[1]] = match[2]
    return found
