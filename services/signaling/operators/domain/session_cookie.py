"""The value of the session's cookie: the key of the account, the session's id, and a signature over both.

The signature is there for cheapness alone: what was not made here is refused without a question to the store.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

COOKIE = "JSESSIONID"
"""Ant Media's name for it."""
_VALUE = re.compile(r"([0-9a-f]{64})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})")


class SignedIn(msgspec.Struct, frozen=True):
    """What a cookie says."""

    key: str
    """The key of the account in the store."""
    digest: str
    """Of the session's id."""


class SessionCookies:
    """Signs and reads them with a key that all instances share."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"session cookies of operators", "sha256")

    def value(self, account_key: str, session_id: str) -> str:
        """`session_id`: 32 random bytes in URL-safe Base64."""
        return f"{account_key}.{session_id}.{self._mac(account_key, session_id)}"

    def read(self, value: str) -> SignedIn | None:
        """None for whatever was not made here."""
        match = _VALUE.fullmatch(value)
        if match is None or not hmac.compare_digest(self._mac(match[1], match[2]), match[3]):
            return None
        return SignedIn(match[1], digest_of(match[2]))

    def _mac(self, account_key: str, session_id: str) -> str:
        return hmac.new(self._key, f"{account_key}.{session_id}".encode(), "sha256").hexdigest()


def digest_of(session_id: str) -> str:
    """What the store has of a session's id."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def set_cookie(value: str, *, secure: bool, max_age_s: int) -> str:
    """The header that sets it; an empty value and an age of 0 delete it."""
    parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={max_age_s}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)
