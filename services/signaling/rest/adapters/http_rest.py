"""REST in Ant Media's shapes about the cluster and its apps, and our own status. Filtered by address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.apps.ladder_settings import LadderRefused
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, is_app_name
from rillcast.contracts.messages import LicenseStatus, NodeReport
from services.signaling import metrics
from services.signaling.core.adapters.bus_license import BusLicense
from services.signaling.core.adapters.directory_streams import DirectoryStreams
from services.signaling.core.adapters.http_body import BodyRefused, read_body
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.http_status import status_of
from services.signaling.core.domain.region import IpNetwork, within
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Apps, Audience, Tally
from services.signaling.core.usecases.app_store import KvApps
from services.signaling.rest.adapters.http_answers import MAX_BODY_BYTES, answered, page
from services.signaling.rest.domain import shapes

Answer = Callable[[Request], Awaitable[Response]]


class Rest:
    """One per signaling instance."""

    def __init__(
        self,
        *,
        version: str,
        clients: ClientReader,
        allowed: tuple[IpNetwork, ...],
        reports: Callable[[], list[NodeReport]],
        streams: DirectoryStreams,
        audience: Audience,
        apps: Apps,
        kv_apps: KvApps,
        license: BusLicense,
        tally: Tally,
    ) -> None:
        """`allowed`: who may ask at all. `reports`: every live node."""
        self._version = version
        self._clients = clients
        self._allowed = allowed
        self._reports = reports
        self._streams = streams
        self._audience = audience
        self._apps = apps
        self._kv_apps = kv_apps
        self._license = license
        self._tally = tally

    def guarded(self, answer: Answer) -> Answer:
        """An endpoint behind the address filter, with refusals as Ant Media gives them."""

        async def endpoint(request: Request) -> Response:
            if not within(self._clients.address(request), self._allowed):
                response: Response = PlainTextResponse("Not allowed IP", 403)
            else:
                try:
                    response = await answer(request)
                except BodyRefused as error:
                    response = answered(Result(success=False, message=error.message), error.status)
                except RillcastError as error:
                    response = answered(Result(success=False, message=error.message), status_of(error))
            metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()
            return response

        return endpoint

    # ---- cluster

    async def version(self, request: Request) -> Response:
        """GET ``/rest/v2/version``"""
        return answered(shapes.Version(version_name=self._version))

    async def edition(self, request: Request) -> Response:
        """GET ``/rest/v2/enterprise-edition``"""
        return answered(Result(success=True))

    async def nodes(self, request: Request) -> Response:
        """GET ``/rest/v2/cluster/nodes/{offset}/{size}``"""
        reports = sorted(self._reports(), key=lambda report: report.info.node)
        return answered([shapes.cluster_node(report) for report in page(request, reports)])

    async def node_count(self, request: Request) -> Response:
        """GET ``/rest/v2/cluster/node-count``"""
        return answered(shapes.SimpleStat(number=len(self._reports())))

    async def last_license(self, request: Request) -> Response:
        """GET ``/rest/v2/last-licence-status``; 204 while nothing is known."""
        status: LicenseStatus | None = self._license.status
        return Response(status_code=204) if status is None else answered(shapes.license(status))

    async def license(self, request: Request) -> Response:
        """GET ``/rest/v2/licence-status?key=``: asked anew. The key is the id of the license in force, or the text of
        any license document, which is then looked at, not installed."""
        key = request.query_params.get("key", "").strip()
        await self._license.refresh()
        known = self._license.status
        if known is None or key in ("", known.license_id):
            return await self.last_license(request)
        checked = await self._license.check(key)
        return answered(shapes.license(checked))

    async def usage(self, request: Request) -> Response:
        """GET ``/rillcast/v1/license/usage?from=&to=``: node-hours day by day, and the same as a signed document."""
        asked = request.query_params
        return answered(await self._license.usage(asked.get("from", ""), asked.get("to", "")))

    async def license_status(self, request: Request) -> Response:
        """GET ``/rillcast/v1/license``: the license in force, its limits and the seats taken."""
        await self._license.refresh()
        status = self._license.status
        return Response(status_code=204) if status is None else answered(status)

    async def status(self, request: Request) -> Response:
        """GET ``/rillcast/v1/status``"""
        streams = [
            shapes.stream_status(live, self._audience.viewers(live.app, live.stream)) for live in self._streams.all()
        ]
        return answered(shapes.status(self._version, self._reports(), streams, self._license.status))

    # ---- apps

    async def read_settings(self, request: Request) -> Response:
        """GET ``/rest/v2/applications/settings/{app}``; 204 for an app that doesn't exist, as the original."""
        settings = self._apps.settings(AppName(request.path_params["app"]))
        return Response(status_code=204) if settings is None else answered(settings)

    async def write_settings(self, request: Request) -> Response:
        """POST of the same: keys that are given change, unknown ones are ignored."""
        body = await read_body(request, MAX_BODY_BYTES)
        app = AppName(request.path_params["app"])
        if not is_app_name(app):
            raise RillcastError(ErrorCode.UNKNOWN_APP, f"there is no app {app!r} here")
        try:
            await self._kv_apps.change(app, body)
        except (msgspec.MsgspecError, UnicodeDecodeError, LadderRefused) as error:
            self._tally.refused_input("app_settings")
            return answered(Result(success=False, message=str(error)), 400)
        return answered(Result(success=True))


def address_of(reports: list[NodeReport], node: NodeId) -> str:
    """Where other nodes reach it; empty when it isn't there any more."""
    return next((report.info.relay_address for report in reports if report.info.node == node), "")
