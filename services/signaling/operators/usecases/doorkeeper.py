"""Who asks, from what the request shows."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import msgspec

from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from services.signaling import metrics
from services.signaling.core.ports import Apps
from services.signaling.operators.domain.accounts import SYSTEM, Role
from services.signaling.operators.domain.operator_jwt import Misuse, misuse, unverified_key_id, verified
from services.signaling.operators.domain.rights import Caller
from services.signaling.operators.domain.session_cookie import SessionCookies
from services.signaling.operators.ports import PublicKeys
from services.signaling.operators.usecases.account_store import AccountStore


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a request shows. Never logged."""

    cookie: str = ""
    """The value of the session's cookie."""
    token: str = ""
    """Of ``Authorization``, without ``Bearer``."""
    proxy_token: str = ""
    """Of ``ProxyAuthorization``, likewise."""


class ServerJwt(msgspec.Struct, frozen=True, kw_only=True):
    """Which JWT are good for the whole server."""

    enabled: bool = False
    secret: str = ""
    jwks_url: str = ""
    audience: str = ""
    without_end: bool = False


class Doorkeeper:
    """One per signaling instance."""

    def __init__(
        self,
        accounts: AccountStore,
        cookies: SessionCookies,
        apps: Apps,
        keys: PublicKeys,
        server: ServerJwt,
        *,
        local_token: str,
        now_s: Callable[[], float],
    ) -> None:
        """`local_token` is that of this machine, for the command line. `now_s`: Unix time."""
        self._accounts = accounts
        self._cookies = cookies
        self._apps = apps
        self._keys = keys
        self._server = server
        self._local_token = local_token.encode()
        self._now_s = now_s

    async def by_token(self, shown: Shown, app: str) -> Caller | None:
        """Who shows a token that holds for this app, or for the whole server. Needs no store."""
        for token in (shown.token, shown.proxy_token):
            if token and hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._local_token):
                return Caller(name="local token", roles={SYSTEM: Role.ADMIN})
            if token and await self._is_server_token(token):
                return Caller(name="server JWT", roles={SYSTEM: Role.ADMIN})
        if app and shown.token and await self._is_app_token(shown.token, self._apps.settings(AppName(app))):
            return Caller(name=f"JWT of {app}", roles={app: Role.ADMIN})
        return None

    async def by_session(self, shown: Shown) -> Caller | None:
        """Who shows the cookie of a session that lasts. Raises `RillcastError` when the store is away."""
        said = self._cookies.read(shown.cookie)
        account = None if said is None else await self._accounts.by_key(said.key)
        if said is None or account is None or account.session(said.digest, self._now_s()) is None:
            return None
        return Caller(name=account.email, roles=account.roles, account=account.email, session=said.digest)

    async def _is_server_token(self, token: str) -> bool:
        server = self._server
        return server.enabled and await self._holds(
            token, server.secret, server.jwks_url, audience=server.audience, without_end=server.without_end
        )

    async def _is_app_token(self, token: str, settings: AppSettings | None) -> bool:
        if settings is None or not settings.jwt_control_enabled:
            return False
        if settings.jwks_url and not settings.jwt_audience:  # REST refuses to set that; the store may have it
            return self._misused(Misuse.NO_AUDIENCE)
        return await self._holds(
            token, settings.jwt_secret_key, settings.jwks_url, audience=settings.jwt_audience, app=settings.app_name
        )

    async def _holds(
        self, token: str, secret: str, jwks_url: str, *, app: str = "", audience: str = "", without_end: bool = False
    ) -> bool:
        """A JWKS counts before a secret, as with Ant Media: there is one kind of key at a time."""
        key_id = unverified_key_id(token)
        if key_id is None:
            return False
        key = await self._keys.get(jwks_url, key_id) if jwks_url else secret
        claims = verified(token, key or "", now_s=self._now_s(), audience=audience, without_end=without_end)
        if claims is None:
            return False
        wrong = misuse(claims, app, own=not jwks_url)
        return wrong is None or self._misused(wrong)

    @staticmethod
    def _misused(wrong: Misuse) -> bool:
        """False."""
        metrics.OPERATOR_TOKENS_REFUSED.labels(wrong.value).inc()
        return False
