"""Who somebody is as far as it was verified, and nothing that was only said or that a packet's sender address tells."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import msgspec


class Proof(IntEnum):
    """By what somebody was verified. A higher one says more about who it is."""

    NONE = 0
    """The app asks for nothing, so whatever the client showed was not looked at."""
    WEBHOOK = 1
    """The app's webhook took what the client showed. The subject is a digest of that."""
    HASH = 2
    """A hash of the stream id and the app's secret. The subject is the stream id: whoever has it may publish."""
    JWT = 3
    """A signed token. The subject is the stream id; of a token for a room, the room and a digest of the token."""
    TOKEN = 4
    """A one-time token. The subject is a digest of it."""
    SUBSCRIBER = 5
    """A time-based code. The subject is the subscriber's id."""


class VerifiedIdentity(msgspec.Struct, frozen=True):
    """One who was verified, in one app. The same person shows the same identity again, also with a renewed token."""

    proof: Proof = Proof.NONE
    subject: str = ""

    def __bool__(self) -> bool:
        return self.proof is not Proof.NONE


NOBODY = VerifiedIdentity()


def strongest(found: Iterable[VerifiedIdentity | None]) -> VerifiedIdentity:
    """Of those that the checks verified, the one that says most; `NOBODY` without any."""
    return max((one for one in found if one is not None), key=lambda one: one.proof, default=NOBODY)
