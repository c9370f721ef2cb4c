"""Under which names a server may be asked. A page of another site can have its own name resolved to our address (DNS
rebinding) and then read what we answer; but the browser sends that name in ``Host``."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rillcast.runtime import metrics


def host_of(authority: str) -> str:
    """The host without the port, in lower case and without a dot at its end; empty when it makes no sense."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def host_is_ours(authority: str, names: frozenset[str]) -> bool:
    """Whether nobody else can have named this host: an IP address, this machine, or one of `names`."""
    host = host_of(authority)
    if host in names or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class OwnHosts:
    """Lets requests through to `app` that name one of our hosts, or none, which no browser sends. `setting`: where an
    operator can name more of them."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str], setting: str) -> None:
        self._app = app
        self._names = names
        self._refusal = f"this node does not know that it has this host name; name it in {setting}\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        named = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if all(host_is_ours(authority, self._names) for authority in named if authority):
            await self._app(scope, receive, send)
            return
        metrics.HTTP_HOSTS_REFUSED.inc()
        await PlainTextResponse(self._refusal, 403)(scope, receive, send)
