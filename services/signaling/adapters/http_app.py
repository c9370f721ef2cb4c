"""The ASGI application: which path leads where."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI
from starlette.routing import BaseRoute

from services.signaling.core.adapters.http_headers import HttpHeaders
from services.signaling.pages.adapters.http_pages import Pages
from services.signaling.websocket.adapters.websocket_endpoint import WebSocketEndpoint
from services.signaling.whip.adapters.http_sessions import HttpSessions

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def http_app(
    sockets: WebSocketEndpoint, roles: Iterable[HttpSessions], rest: Iterable[BaseRoute], pages: Pages
) -> FastAPI:
    """Everything clients reach on the public port."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(HttpHeaders)
    app.router.add_websocket_route("/{app}/websocket", sockets.serve)
    for sessions in roles:
        path = f"/{{app}}/{sessions.role}/{{stream}}"
        app.add_route(path, sessions.serve, ANY_METHOD)
        app.add_route(path + "/{resource}", sessions.resources.serve, ANY_METHOD)
    app.router.routes.extend(rest)
    app.add_route("/", pages.root, ["GET"])
    app.add_route("/static/{path:path}", pages.file, ["GET"])
    app.add_route("/{app}/", pages.app_page, ["GET"])
    app.add_route("/{app}/{page}", pages.app_page, ["GET"])
    return app
