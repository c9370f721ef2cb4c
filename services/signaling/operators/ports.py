"""What the room of the operators needs from outside, besides the core's ports."""

from __future__ import annotations

from typing import Protocol

import jwt


class PasswordHashes(Protocol):
    """Hashes of passwords. Slow by intention, so it is done elsewhere, and so many may wait and no more."""

    async def hash(self, password: str) -> str:
        """A new hash. Raises `RillcastError`: HIGH_RESOURCE_USAGE."""
        ...

    async def matches(self, hash: str | None, password: str) -> bool:
        """Whether it is the hash of the password; None takes as long and is not. Raises `RillcastError`:
        HIGH_RESOURCE_USAGE."""
        ...


class PublicKeys(Protocol):
    """The keys that somebody publishes as a JWKS."""

    async def get(self, url: str, key_id: str) -> jwt.PyJWK | None:
        """The key with this id; without an id the only one. None when there is none or nobody answers."""
        ...
