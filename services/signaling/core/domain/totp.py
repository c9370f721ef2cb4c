"""Time-based one-time codes (RFC 6238, over HOTP of RFC 4226 §5.3): six digits, HMAC-SHA-1, as Ant Media has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from rillcast.contracts.ids import StreamId
from rillcast.contracts.words import Role

DIGITS = 6
PERIODS_AROUND = 1
"""Codes of so many periods before and after are taken too (RFC 6238 §5.2), for clocks that differ and slow typists."""


ENOUGH_BITS = 128
"""RFC 4226 §4 R6 asks for a shared secret of so many bits at least. Ant Media takes shorter ones, and so do we."""


def code_at(key: bytes, now_s: float, period_s: int) -> str:
    """The code of the period in which `now_s` lies. `now_s`: Unix time."""
    return _hotp(key, int(now_s // period_s))


def is_code(shown: str, key: bytes, now_s: float, period_s: int) -> bool:
    """Whether a code is that of this period or of one beside it. Takes the same time whatever is shown."""
    counter = int(now_s // period_s)
    told = shown.encode("utf-8", "surrogatepass")
    fits = False
    for near in range(max(0, counter - PERIODS_AROUND), counter + PERIODS_AROUND + 1):
        fits |= hmac.compare_digest(_hotp(key, near).encode(), told)
    return fits


def key_of(b32_secret: str) -> bytes | None:
    """The key in a registered subscriber's secret: base32 (RFC 4648 §6), of a length that is a multiple of 8. None for
    anything else."""
    if not b32_secret or len(b32_secret) % 8:
        return None
    try:
        return base64.b32decode(b32_secret) or None
    except (binascii.Error, ValueError):
        return None


def derived_key(secret: str, subscriber_id: str, stream: StreamId, role: Role, separator: str = "") -> bytes:
    """The key of a subscriber that is not registered, made as Ant Media makes it from the app's secret: the texts one
    after the other, filled up with X to a multiple of 8 characters. A `separator` goes between them. Without one, two
    subscribers of two streams may have the same key: see `SubscriberStore.namesake`."""
    text = separator.join((secret, subscriber_id, stream, role.value))
    return (text + "X" * (-len(text) % 8)).encode("utf-8", "surrogatepass")


def _hotp(key: bytes, counter: int) -> str:
    mac = hmac.new(key, counter.to_bytes(8, "big"), hashlib.sha1).digest()
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"
