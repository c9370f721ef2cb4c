"""What a request shows, and how it came here."""

from __future__ import annotations

from starlette.requests import Request

from services.signaling.core.domain.forwarded import is_forwarded
from services.signaling.core.domain.region import IpNetwork, parse_address, within
from services.signaling.operators.domain.session_cookie import COOKIE
from services.signaling.operators.usecases.doorkeeper import Shown

MOST_COOKIE = 512


class Arrival:
    """How requests came here. One per signaling instance."""

    def __init__(self, trusted_proxies: tuple[IpNetwork, ...]) -> None:
        self._trusted = trusted_proxies

    def by_stranger(self, request: Request) -> bool:
        """Whether the request was sent on by a proxy that is not trusted: then nobody knows who asks."""
        return is_forwarded(request.headers.keys()) and not self.by_proxy(request)

    def by_proxy(self, request: Request) -> bool:
        """Whether a trusted proxy sent the request on."""
        peer = parse_address(request.client.host) if request.client is not None else None
        return within(peer, self._trusted)

    def authority(self, request: Request) -> str:
        """Host and port that the client asked for."""
        forwarded = request.headers.get("x-forwarded-host", "") if self.by_proxy(request) else ""
        return forwarded.rpartition(",")[2].strip() or request.headers.get("host", "")

    def secure(self, request: Request) -> bool:
        """Whether the client speaks TLS."""
        forwarded = request.headers.get("x-forwarded-proto", "") if self.by_proxy(request) else ""
        return (forwarded.rpartition(",")[2].strip().lower() or request.url.scheme) == "https"


def shown_by(request: Request) -> Shown:
    """What a request shows."""
    cookie = request.cookies.get(COOKIE, "")
    return Shown(
        cookie=cookie if len(cookie) <= MOST_COOKIE else "",
        token=_token(request.headers.get("authorization", "")),
        proxy_token=_token(request.headers.get("proxyauthorization", "")),
    )


def _token(header: str) -> str:
    """With or without ``Bearer``, as Ant Media takes it."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else header.strip()
