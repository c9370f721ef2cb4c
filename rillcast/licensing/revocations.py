"""Licenses that their issuer has taken back: a list, signed as licenses are. No I/O, no clock.

    {"iat": …, "revoked": ["acme-2026", …]}

The list that was issued last counts, so each names all licenses that are revoked. A cluster never calls home, so its
operator installs the list.
"""

from __future__ import annotations

from collections.abc import Iterable

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rillcast.contracts.fields import UnixS, Word
from rillcast.licensing.document import LicenseRefused, Refusal, sign, verified

KIND = "license-revocations+jwt"
"""The ``typ`` in the header of the document."""


class Revocations(msgspec.Struct, frozen=True):
    """A verified list of the ids of licenses that hold no more."""

    issued_at_s: UnixS = 0
    license_ids: frozenset[str] = frozenset()

    def supersedes(self, other: Revocations) -> bool:
        """Whether this list may take the place of the other one. Of two that were issued in the same second, one does
        if it names all that the other names: nobody knows which of them is the later one."""
        if self.issued_at_s == other.issued_at_s:
            return self.license_ids >= other.license_ids
        return self.issued_at_s > other.issued_at_s


class _Claims(msgspec.Struct):
    iat: UnixS
    revoked: frozenset[Word]


def issue_revocations(license_ids: Iterable[str], issued_at_s: int, key: Ed25519PrivateKey) -> str:
    """The signed document."""
    return sign({"iat": issued_at_s, "revoked": sorted(set(license_ids))}, key, KIND)


def check_supersedes(list_: Revocations, present: Revocations) -> None:
    """Raises LicenseRefused when `list_` may not take the place of the present one."""
    if list_.supersedes(present):
        return
    if list_.issued_at_s < present.issued_at_s:
        raise LicenseRefused(Refusal.OLDER, "a list of revoked licenses that was issued later is installed")
    left_out = ", ".join(sorted(present.license_ids - list_.license_ids))
    words = f"a list of revoked licenses that was issued in the same second is installed and also names {left_out}"
    raise LicenseRefused(Refusal.OLDER, words)


def is_revocations(document: bytes) -> bool:
    """Whether a document says of itself that it is such a list. It is not verified by this."""
    try:
        return bool(jwt.get_unverified_header(document.strip()).get("typ") == KIND)
    except (jwt.PyJWTError, RecursionError):
        return False


def read_revocations(document: bytes, key: Ed25519PublicKey | None) -> Revocations:
    """Verify a list and read it. Raises LicenseRefused."""
    payload = verified(document, key)
    try:
        claims = msgspec.json.decode(payload, type=_Claims)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LicenseRefused(Refusal.CLAIMS, f"signed, but not a list of revoked licenses: {error}") from error
    return Revocations(claims.iat, claims.revoked)
