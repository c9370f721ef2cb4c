"""A node's admin listener: /livez, /readyz, /metrics, /lifeline. Never public."""

from __future__ import annotations

import socket
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from starlette.routing import Route

from rillcast.runtime.discovery.questions import AGE_HEADER, INCARNATION_HEADER, NODE_HEADER
from rillcast.runtime.http.descriptors import admin_connections, lifeline_connections
from rillcast.runtime.http.hosts import OwnHosts
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.places import Places
from rillcast.runtime.http.refusals import refuse_in_words
from rillcast.runtime.process.lifelines import Lifelines
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.telemetry.exposition import exposition

State = Callable[[], dict[str, object]]

ADDRESS_SHARE = 4
"""One address may have one connection in so many."""


def admin_limits() -> HttpLimits:
    """Of the admin listener: it has its share of the open files, whatever clients do."""
    most = admin_connections()
    return HttpLimits(connections=most, connections_per_address=max(1, most // ADDRESS_SHARE))


def admin_names(settings: NodeSettings) -> frozenset[str]:
    """The hosts under which the admin listener may be asked, besides addresses and localhost."""
    own = (settings.node_id, settings.admin_host, socket.gethostname(), *settings.admin_hosts)
    return frozenset(name.lower() for name in own)


def lifeline_places() -> Places:
    """For the lifelines that others hold to this node."""
    most = lifeline_connections()
    return Places(most, max(1, most // ADDRESS_SHARE))


def admin_app(readiness: Readiness, state: State, to_us: Lifelines, names: frozenset[str] = frozenset()) -> FastAPI:
    """The routes. `state` adds what else an operator wants to see in /readyz. `to_us`: lifelines of others. `names`:
    the hosts under which it may be asked, besides addresses and localhost."""
    quiet: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # checks come each second
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=quiet)
    refuse_in_words(app)
    app.add_middleware(OwnHosts, names=names, setting="RILLCAST_ADMIN_HOSTS")

    @app.get("/livez")
    async def livez() -> Response:
        me = to_us.info()
        headers = {NODE_HEADER: me.node, INCARNATION_HEADER: me.incarnation}
        if (age_s := to_us.up_s()) is not None:
            headers[AGE_HEADER] = f"{age_s:.3f}"
        return Response("ok\n", media_type="text/plain", headers=headers)

    @app.get("/readyz")
    async def readyz(node: str = "") -> Response:
        """`node`: who is meant. One that left in silence may have had this address, and is not ready."""
        body: dict[str, object] = {"ready": readiness.ready, "reasons": readiness.reasons, **state()}
        if node and body.get("node", node) != node:
            body |= {"ready": False, "reasons": {"node": "another node was meant, which may have had this address"}}
        return JSONResponse(body, status_code=200 if body["ready"] else 503)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        text, content_type = await exposition(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    app.router.routes.append(Route("/lifeline", to_us, methods=["GET"]))
    return app
