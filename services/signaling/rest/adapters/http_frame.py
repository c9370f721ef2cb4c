"""What the router itself refuses, and preflight requests: the frame around the answers of all rooms."""

from __future__ import annotations

from enum import Enum, auto

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from rillcast.contracts.errors import RillcastError
from rillcast.runtime.http.refusals import in_words
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.domain.refusal import Form, Refusal, Refused

METHODS = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT")
"""In the order in which Ant Media names them."""
REQUEST_HEADERS = (
    "accept,origin,x-requested-with,access-control-request-method,access-control-request-headers,content-type,"
    "authorization"
)
MAX_AGE_S = 1_800
NO_FRAMES = {"X-Frame-Options": "DENY"}
_PHRASES = {404: "Not Found", 405: "Method Not Allowed"}


class Area(Enum):
    """Parts of the address space that refuse in ways of their own."""

    OURS = auto()
    """``/rillcast/…``, which Ant Media has not."""
    MANAGEMENT = auto()
    """Whatever lies below ``/rest``: the server itself."""
    APP = auto()
    """Whatever lies below an app that there is."""
    NOTHING = auto()
    """Whatever lies below nothing."""


class Frame:
    """One per signaling instance."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def answer(self, request: Request, error: Exception) -> Response:
        """Answers what no route does. Below ``/rest`` a stranger learns not even that there is nothing."""
        assert isinstance(error, HTTPException)
        area = self._area(request.scope["path"])
        if request.method == "OPTIONS" and _is_rest(request.scope["path"], area):
            return _preflight()
        if area is Area.MANAGEMENT and (refused := await self._stranger(request)) is not None:
            return refused
        headers = {"Allow": _allowed(request.scope)} if error.status_code == 405 else dict(error.headers or {})
        if area is Area.OURS:
            return refusal_answer(Refusal(error.status_code, in_words(request, error)), headers)
        if area is Area.NOTHING:
            headers |= NO_FRAMES
        words = _PHRASES.get(error.status_code, error.detail)
        return refusal_answer(Refusal(error.status_code, words, Form.PAGE), headers)

    async def _stranger(self, request: Request) -> Response | None:
        """What somebody is answered who shows nothing that holds."""
        try:
            await self._gate.somebody(request)
        except Refused as error:
            return refusal_answer(error.refusal)
        except RillcastError as error:
            status = status_of(error)
            return refusal_answer(Refusal(status, error.message), headers_of(error, status))
        return None

    def _area(self, path: str) -> Area:
        first = path.partition("/")[2].partition("/")[0]
        if first in ("rillcast", "rest"):
            return Area.OURS if first == "rillcast" else Area.MANAGEMENT
        return Area.APP if self._gate.has_app(first) else Area.NOTHING


def _is_rest(path: str, area: Area) -> bool:
    return area is Area.MANAGEMENT or (area is Area.APP and path.split("/")[2:3] in (["rest"], ["analytic"]))


def _preflight() -> Response:
    """As Ant Media answers any ``OPTIONS``. Which sites may come, ``Access-Control-Allow-Origin`` says, which the REST
    of the management never has."""
    headers = {
        "Access-Control-Allow-Methods": ",".join(METHODS),
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_S),
    }
    return Response(status_code=200, headers=headers)


def _allowed(scope: Scope) -> str:
    """The methods of all routes with that path, and OPTIONS; GET stands for HEAD."""
    routes = [route for route in scope["router"].routes if isinstance(route, Route)]
    found = {method for route in routes if route.matches(scope)[0] is not Match.NONE for method in route.methods or ()}
    found = found - {"HEAD"} | {"OPTIONS"}
    return ",".join([*(one for one in METHODS if one in found), *sorted(found - set(METHODS))])
