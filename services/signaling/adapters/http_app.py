"""The ASGI application: which path leads where."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from rillcast.contracts.status import LICENSE_PATH, LICENSE_USAGE_PATH, STATUS_PATH
from services.signaling.core.adapters.http_headers import HttpHeaders
from services.signaling.pages.adapters.http_pages import Pages
from services.signaling.rest.adapters.http_broadcasts import BroadcastRest
from services.signaling.rest.adapters.http_rest import Rest
from services.signaling.websocket.adapters.websocket_endpoint import WebSocketEndpoint
from services.signaling.whip.adapters.http_sessions import HttpSessions

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def http_app(
    sockets: WebSocketEndpoint, roles: Iterable[HttpSessions], rest: Rest, broadcasts: BroadcastRest, pages: Pages
) -> FastAPI:
    """Everything clients reach on the public port."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(HttpHeaders)
    app.router.add_websocket_route("/{app}/websocket", sockets.serve)
    for sessions in roles:
        path = f"/{{app}}/{sessions.role}/{{stream}}"
        app.add_route(path, sessions.serve, ANY_METHOD)
        app.add_route(path + "/{resource}", sessions.resources.serve, ANY_METHOD)
    _add_rest(app, rest)
    _add_broadcasts(app, rest, broadcasts)
    app.add_route("/", pages.root, ["GET"])
    app.add_route("/static/{path:path}", pages.file, ["GET"])
    app.add_route("/{app}/", pages.app_page, ["GET"])
    app.add_route("/{app}/{page}", pages.app_page, ["GET"])
    return app


def _add_rest(app: FastAPI, rest: Rest) -> None:
    page = "{offset}/{size}"
    for path, answer in (
        ("/rest/v2/version", rest.version),
        ("/rest/v2/enterprise-edition", rest.edition),
        ("/rest/v2/licence-status", rest.license),
        ("/rest/v2/last-licence-status", rest.last_license),
        ("/rest/v2/cluster/node-count", rest.node_count),
        (f"/rest/v2/cluster/nodes/{page}", rest.nodes),
        ("/rest/v2/applications/settings/{app}", rest.read_settings),
        (STATUS_PATH, rest.status),
        (LICENSE_PATH, rest.license_status),
        (LICENSE_USAGE_PATH, rest.usage),
        ("/{app}/rest/v2/version", rest.version),
    ):
        app.add_route(path, rest.guarded(answer), ["GET"])
    app.add_route("/rest/v2/applications/settings/{app}", rest.guarded(rest.write_settings), ["POST"])


def _add_broadcasts(app: FastAPI, rest: Rest, broadcasts: BroadcastRest) -> None:
    root = "/{app}/rest/v2/broadcasts"
    for path, answer, method in (
        ("/create", broadcasts.create, "POST"),
        ("/list/{offset}/{size}", broadcasts.listed, "GET"),
        ("/{stream}", broadcasts.one, "GET"),
        ("/{stream}", broadcasts.change, "PUT"),
        ("/{stream}", broadcasts.delete, "DELETE"),
        ("/{stream}/stream-info", broadcasts.renditions, "GET"),
    ):
        app.add_route(root + path, rest.guarded(answer), [method])
