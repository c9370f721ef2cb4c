"""A node's admin listener: /livez, /readyz, /metrics. Never public."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rillcast.runtime.http.descriptors import admin_connections
from rillcast.runtime.http.limits import HttpLimits
from rillcast.runtime.http.refusals import refuse_in_words
from rillcast.runtime.process.readiness import Readiness

State = Callable[[], dict[str, object]]

ADDRESS_SHARE = 4
"""One address may have one connection in so many."""


def admin_limits() -> HttpLimits:
    """Of the admin listener: it has its share of the open files, whatever clients do."""
    most = admin_connections()
    return HttpLimits(connections=most, connections_per_address=max(1, most // ADDRESS_SHARE))


def admin_app(readiness: Readiness, state: State) -> FastAPI:
    """The routes. `state` adds what else an operator wants to see in /readyz."""
    quiet: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # checks come each second
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, telemetry=quiet)
    refuse_in_words(app)

    @app.get("/livez")
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz")
    async def readyz() -> Response:
        body: dict[str, object] = {"ready": readiness.ready, "reasons": readiness.reasons, **state()}
        return JSONResponse(body, status_code=200 if readiness.ready else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await asyncio.to_thread(generate_latest), media_type=CONTENT_TYPE_LATEST)

    return app
