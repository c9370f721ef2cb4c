"""What the room of the operators needs from outside, besides the core's ports."""

from __future__ import annotations

from typing import Protocol

import jwt
import msgspec

from rillcast.contracts.words import TryStep


class Asker(msgspec.Struct, frozen=True):
    """For whom a hash is made."""

    address: str
    """As limits count it; empty for an operator who is let in already."""
    first: bool
    """Whether it goes before strangers: it was let in before."""


OPERATOR = Asker("", first=True)


class PasswordHashes(Protocol):
    """Hashes of passwords. Slow by intention, so it is done elsewhere, and so many may wait and no more."""

    async def hash(self, password: str) -> str:
        """A new hash, for an operator. Raises `RillcastError`: HIGH_RESOURCE_USAGE."""
        ...

    async def matches(self, hash: str | None, password: str, asker: Asker) -> bool:
        """Whether it is the hash of the password; None takes as long and is not. Raises `TooOften`, also when a place
        that was given is lost to somebody else."""
        ...


class OtherInstances(Protocol):
    """The other signaling instances, where passwords are tried as well."""

    async def tell(self, account: str, address: str, step: TryStep) -> None:
        """Tell them of a try of a password, `account` by its key. Nobody waits for them, and nothing is said twice."""
        ...


class PublicKeys(Protocol):
    """The keys that somebody publishes as a JWKS."""

    async def get(self, url: str, key_id: str) -> jwt.PyJWK | None:
        """The key with this id; without an id the only one. None when there is none or nobody answers."""
        ...
