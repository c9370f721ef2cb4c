"""The secret by which a publisher is known when it returns, although nobody verified who it is. Signaling issues it as
a cookie with the upgrade of a WebSocket. The id in it also stands in the name of a WHIP resource.

It is a random id, the time of issue and a code over both (HMAC-SHA-256, 128 bits), so that every instance of the
cluster knows it again and nothing is stored for it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

COOKIE = "rillcast_publisher"
LIFE_S = 86_400
"""How long a cookie is honoured. Each upgrade issues it anew, with the same id in it."""
HOLDER_BYTES = 16
_FORM = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9a-f]{1,10})\.([A-Za-z0-9_-]{22})", re.ASCII)


class PublisherSecrets:
    """Issues secrets and reads them again. One per signaling instance, all with the cluster's key."""

    def __init__(self, key: bytes, *, wall_clock: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        """`wall_clock`: Unix time. `random_bytes`: of cryptographic quality."""
        self._key = key
        self._wall_clock = wall_clock
        self._random_bytes = random_bytes

    def new_holder(self) -> str:
        """An id that nobody has."""
        return _text(self._random_bytes(HOLDER_BYTES))

    def issue(self, holder: str) -> str:
        """The secret of this id, as of now."""
        issued = f"{int(self._wall_clock()):x}"
        return f"{holder}.{issued}.{self._code(holder, issued)}"

    def holder(self, secret: str) -> str:
        """The id in a secret that we issued; empty for anything else, and for one that is too old."""
        found = _FORM.fullmatch(secret)
        if found is None:
            return ""
        holder, issued, code = found.groups()
        if not hmac.compare_digest(code.encode(), self._code(holder, issued).encode()):
            return ""
        # The code says that it is ours: one of the future was issued by a clock that ran ahead, or ours was set back.
        age_s = abs(self._wall_clock() - int(issued, 16))
        return holder if age_s <= LIFE_S else ""

    def set_cookie(self, shown: str, *, path: str, secure: bool) -> tuple[str, str]:
        """The id that holds from now on, and the header's value that tells the browser. `shown`: the cookie that came;
        its id is kept if it is ours. `path`: the only one to which the browser is to return it. `secure`: whether the
        client came by TLS."""
        holder = self.holder(shown) or self.new_holder()
        attributes = f"Path={path}; Max-Age={LIFE_S}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        return holder, f"{COOKIE}={self.issue(holder)}; {attributes}"

    def _code(self, holder: str, issued: str) -> str:
        code = hmac.new(self._key, f"publisher {holder} {issued}".encode(), hashlib.sha256).digest()
        return _text(code[:16])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
