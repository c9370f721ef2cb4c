"""Who may use REST. Guards of the rows (`endpoint.Guard`) are methods of the gate; what none of them lets in is
refused."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import NoReturn

import msgspec
from starlette.requests import Request

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName
from rillcast.contracts.records import AppSettings
from rillcast.runtime.http.hosts import host_is_ours
from services.signaling import metrics
from services.signaling.core.adapters.http_body import has_body, media_type
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.region import IpNetwork, is_listed, within
from services.signaling.core.ports import Apps
from services.signaling.operators.adapters.http_credentials import Arrival, shown_by
from services.signaling.operators.domain.request_rules import from_our_page
from services.signaling.operators.domain.rights import READING, Caller, Need, may
from services.signaling.operators.usecases.doorkeeper import Doorkeeper
from services.signaling.rest.domain.refusal import Form, Refusal, Refused

NOT_ALLOWED_IP = Refusal(403, "Not allowed IP", Form.PAGE)
NOT_AUTHENTICATED = Refusal(403, "Not authenticated user", Form.PAGE)
INVALID_JWT = Refusal(403, "Invalid App JWT Token", Form.PAGE)
NOT_ALLOWED = Refusal(403, "Not allowed to access this resource. Contact system admin", Form.PAGE)
FORWARDED = Refusal(
    403,
    "a proxy sent this that is not trusted; name its address in RILLCAST_SIGNALING_TRUSTED_PROXIES",
    Form.PAGE,
)
OTHER_HOST = Refusal(
    403,
    "this server does not know that it has this host name; name it in RILLCAST_SIGNALING_ALLOWED_HOSTS",
    Form.PAGE,
)
OTHER_SITE = Refusal(403, "a page of another site sent this", Form.PAGE)
NO_TYPE = Refusal(415, "Unsupported Media Type: the request does not say of which type its body is", Form.PAGE)
PROXIED = "rillcast.proxied"
"""In the scope of a request that came by the panel's proxy. No client can put it there."""
THIS_SERVER = ip_address("127.0.0.1")
BEFORE_ANYBODY = (NOT_ALLOWED_IP, FORWARDED, OTHER_HOST, OTHER_SITE)
"""What any request may be refused with, whoever sends it."""


class Gate:
    """One per signaling instance."""

    def __init__(
        self,
        clients: ClientReader,
        apps: Apps,
        *,
        allowed: tuple[IpNetwork, ...],
        doorkeeper: Doorkeeper,
        arrival: Arrival,
        hosts: Callable[[], frozenset[str]],
    ) -> None:
        """`allowed`: the networks from which clients may ask at all. `hosts`: our names at this moment, besides
        addresses."""
        self._clients = clients
        self._allowed = allowed
        self._apps = apps
        self._doorkeeper = doorkeeper
        self._arrival = arrival
        self._hosts = hosts

    async def anybody(self, request: Request) -> Caller:
        """Lets in everybody, and tells who it is if that can be told. Raises `Refused` for other sites' pages."""
        self._admissible(request)
        caller = await self._by_token(request)
        if caller is None:
            self._own_page(request)
            caller = await self._doorkeeper.by_session(shown_by(request))
        return self._placed(caller or Caller(), request)

    async def somebody(self, request: Request) -> Caller:
        """Lets in whoever shows something that holds, whatever it is good for."""
        return await self._somebody(request)

    async def operator(self, request: Request) -> Caller:
        """Lets in who has a role of the whole server."""
        return self._may(await self._somebody(request), Need.OPERATOR, request)

    async def administrator(self, request: Request) -> Caller:
        """Lets in administrators of the whole server."""
        return self._may(await self._somebody(request), Need.ADMIN, request)

    async def signed_in(self, request: Request) -> Caller:
        """Lets in whoever has a session."""
        return self._may(await self._somebody(request), Need.SIGNED_IN, request)

    async def settings_of_app(self, request: Request) -> Caller:
        """Lets in who has a role of the app of the path, which need not be there; changes it only its administrator."""
        return self._may(await self._somebody(request), Need.APP_SETTINGS, request)

    async def operator_of_app(self, request: Request) -> Caller:
        """Lets in who has a role of the app of the path. The app must be there. Raises UNKNOWN_APP."""
        app = AppName(request.path_params["app"])
        settings = self._apps.settings(app)
        if settings is not None and not self._in_app_networks(request, settings):
            self._refuse("address", NOT_ALLOWED_IP)
        unknown = INVALID_JWT if settings is not None and settings.jwt_control_enabled else NOT_AUTHENTICATED
        caller = self._may(await self._somebody(request, app, unknown), Need.APP, request)
        if settings is None:
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        return caller

    def has_app(self, app: str) -> bool:
        """Whether there is such an app."""
        return self._apps.settings(AppName(app)) is not None

    async def issuer_of_app(self, request: Request) -> Caller:
        """The same, for what lets clients in: who may only look does not get it, though it is asked for by GET."""
        caller = await self.operator_of_app(request)
        if not may(caller, Need.APP, "POST", request.path_params["app"]):
            self._refuse("not_allowed", NOT_ALLOWED)
        return caller

    async def reporter_of_app(self, request: Request) -> Caller:
        """Lets in everybody, pages of other sites as well and from wherever viewers are, unless the app says that what
        REST needs is needed. The app must be there. Raises UNKNOWN_APP."""
        settings = self._apps.settings(AppName(request.path_params["app"]))
        if settings is None or settings.secure_analytic_endpoint:
            return await self.operator_of_app(request)
        return self._placed(Caller(), request)

    async def _somebody(self, request: Request, app: str = "", unknown: Refusal = NOT_AUTHENTICATED) -> Caller:
        """Who shows something that holds."""
        self._admissible(request)
        caller = await self._by_token(request, app)
        if caller is None and (caller := await self._doorkeeper.by_session(shown_by(request))) is not None:
            self._own_page(request)
        if caller is None:
            self._refuse("not_authenticated", unknown)
        return self._placed(caller, request)

    async def _by_token(self, request: Request, app: str = "") -> Caller | None:
        return await self._doorkeeper.by_token(shown_by(request), app)

    def _admissible(self, request: Request) -> None:
        """What holds for everybody, whatever they show."""
        if not within(self._clients.address(request), self._allowed):
            self._refuse("address", NOT_ALLOWED_IP)
        if self._arrival.by_stranger(request):
            self._refuse("forwarded", FORWARDED)

    def _own_page(self, request: Request) -> None:
        """What holds for sessions, which browsers show by themselves, and for signing in."""
        authority = self._arrival.authority(request)
        if not (self._arrival.by_proxy(request) or host_is_ours(authority, self._hosts())):
            self._refuse("host", OTHER_HOST)
        if request.method in READING:
            return
        if not from_our_page(request.headers, authority):
            self._refuse("cross_site", OTHER_SITE)
        if has_body(request) and not media_type(request):  # a browser may send that to other sites without asking them
            self._refuse("content_type", NO_TYPE)

    def _may(self, caller: Caller, need: Need, request: Request) -> Caller:
        if not may(caller, need, request.method, request.path_params.get("app", "")):
            self._refuse("not_allowed", NOT_ALLOWED)
        return caller

    def _placed(self, caller: Caller, request: Request) -> Caller:
        address = self._clients.address(request)
        return msgspec.structs.replace(
            caller, address="" if address is None else str(address), secure=self._arrival.secure(request)
        )

    def _in_app_networks(self, request: Request, settings: AppSettings) -> bool:
        """What came by the panel's proxy comes from this server, as with Ant Media; whoever sent it was looked at
        there."""
        address = THIS_SERVER if PROXIED in request.scope else self._clients.address(request)
        return not settings.ip_filter_enabled or is_listed(address, settings.remote_allowed_cidr)

    @staticmethod
    def _refuse(reason: str, refusal: Refusal) -> NoReturn:
        metrics.OPERATORS_REFUSED.labels(reason).inc()
        raise Refused(refusal)
