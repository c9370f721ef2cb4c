"""The way by which Ant Media's panel reaches the apps: ``/rest/v2/request?_path={app}/rest/v2/…``.

The request goes on to our own routes, in this process and nowhere else: with its method, its headers, its body, and the
rest of its query. What answers it asks its own guard, as if the request had come straight. So the proxy gives nobody
more than the app's REST would; only the app's list of networks takes it for this server, as with Ant Media.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import is_app_name
from services.signaling import metrics
from services.signaling.core.adapters.http_headers import plain_path
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.rest.adapters.endpoint import form_of
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.adapters.http_frame import Frame
from services.signaling.rest.adapters.http_gate import PROXIED, Gate
from services.signaling.rest.domain.refusal import Form, Refusal, Refused

PROXY_PATH = "/rest/v2/request"
PARAMETER = "_path"
NO_PATH = Refusal(400, f"Missing HTTP parameter {PARAMETER} to fill the template")
NO_APP_REST = Refusal(
    404,
    "Not Found: only the REST of an app is reached by this way, such as LiveApp/rest/v2/broadcasts/count",
    Form.PAGE,
)
MOST_PATH = 4_096
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
"""Those by whose names requests are counted."""


class ProxyRoute(Route):
    """One per signaling instance. Tried before the other routes."""

    def __init__(self, gate: Gate, frame: Frame) -> None:
        self._gate = gate
        self._frame = frame
        super().__init__(PROXY_PATH, self._nothing, methods=None, include_in_schema=False)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every method: the app's route says which it has."""
        found = scope["type"] == "http" and scope["path"] == PROXY_PATH
        return (Match.FULL, {"path_params": {}}) if found else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for a session or a token, then hand the request on."""
        request = Request(scope, receive, send)
        try:
            await self._gate.somebody(request)
            inner = handed_on(scope)
        except Refused as error:
            response = refusal_answer(error.refusal)
        except RillcastError as error:
            status = status_of(error)
            response = refusal_answer(Refusal(status, error.message, form_of(status)), headers_of(error, status))
        else:
            try:
                await scope["router"](inner, receive, send)
            except HTTPException as error:
                response = await self._frame.answer(Request(inner), error)
            else:
                return
        method = request.method if request.method in METHODS else "other"
        metrics.HTTP_REQUESTS.labels("rest", method, str(response.status_code)).inc()
        await response(scope, receive, send)

    async def _nothing(self, request: Request) -> None:
        """Never called."""


def handed_on(scope: Scope) -> MutableMapping[str, Any]:
    """The request as its app shall see it. Raises `Refused` for a path that is not of an app's REST."""
    path, query = target(scope["query_string"])
    plain = plain_path(unquote(path))
    segments = plain.split("/")
    if len(segments) < 3 or not is_app_name(segments[1]) or segments[2] != "rest" or len(path) > MOST_PATH:
        raise Refused(NO_APP_REST)
    inner = {key: value for key, value in scope.items() if key not in ("path_params", "endpoint", "route")}
    return inner | {"path": plain, "raw_path": path.encode(), "query_string": query, PROXIED: True}


def target(query: bytes) -> tuple[str, bytes]:
    """The path that a query names, with its own escapes, and the query that goes with it: what stands behind a question
    mark in the path, and all parameters but the one of the path. Raises `Refused` when there is none."""
    found, others = "", []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == PARAMETER.encode() and not found:
            found = unquote_plus(value.decode("latin-1"))
        elif part:
            others.append(part)
    if not found:
        raise Refused(NO_PATH)
    path, _, own = found.partition("?")
    if own:
        others.insert(0, own.encode())
    return f"/{path.lstrip('/')}", b"&".join(others)
