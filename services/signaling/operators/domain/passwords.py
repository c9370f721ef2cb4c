"""Passwords as clients send them."""

from __future__ import annotations

import hashlib
import re

SHORTEST = 8
LONGEST = 256
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


def wire_form(password: str) -> str:
    """Ant Media's panel sends the MD5 of a password in hex, other clients the password itself. Both become the MD5, of
    which the store has an argon2id hash. So the MD5 protects nothing; it is another spelling of the password."""
    if _MD5.fullmatch(password):
        return password.lower()
    return hashlib.md5(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def fault_of(password: str) -> str:
    """Why this cannot be a new password; empty when it can. The length of a hashed one is not known."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"a password has {SHORTEST} to {LONGEST} characters"
    return ""
