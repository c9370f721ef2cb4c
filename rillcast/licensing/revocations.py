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


class _Claims(msgspec.Struct):
    iat: UnixS
    revoked: frozenset[Word]


def issue_revocations(license_ids: Iterable[str], issued_at_s: int, key: Ed25519PrivateKey) -> str:
    """The signed document."""
    return sign({"iat": issued_at_s, "revoked": sorted(set(license_ids))}, key, KIND)


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
