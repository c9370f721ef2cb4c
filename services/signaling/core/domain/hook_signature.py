"""By which an app's webhooks know who sends them something."""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE = "X-Rillcast-Signature"
EVENT_ID = "X-Rillcast-Event-Id"


def signed(secret: str, body: bytes, at_s: int) -> dict[str, str]:
    """The headers that sign a body; none without a secret. The signature is the HMAC-SHA-256 of the time in Unix
    seconds, a dot and the body, in hex."""
    if not secret:
        return {}
    made = hmac.new(secret.encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return {SIGNATURE: f"t={at_s},v1={made}"}
