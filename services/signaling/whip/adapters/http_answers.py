"""What WHIP and WHEP endpoints and resources share: methods, credentials, refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.contracts.errors import RillcastError
from services.signaling import metrics
from services.signaling.core.adapters.http_body import BodyRefused
from services.signaling.core.domain.error_page import MEDIA_TYPE, error_page
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.core.domain.identity import Credentials

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
JSON = "application/json"

Handler = Callable[[Request], Awaitable[Response]]


async def answer_by_method(role: str, request: Request, handlers: Mapping[str, Handler]) -> Response:
    """The handler of the request's method; refusals in words with the right status."""
    handler = handlers.get(request.method)
    if handler is None:
        allowed = {"Allow": ",".join(handlers)}
        response = _page(405, "Method Not Allowed", allowed)
    else:
        try:
            response = await handler(request)
        except RillcastError as error:
            response = _refusal(error, credentials_shown=credentials_of(request).shown)
        except BodyRefused as error:
            if error.status == 415:
                response = _page(415, f"Unsupported Media Type: {error.message}")
            else:
                response = PlainTextResponse(error.message, error.status)
    method = request.method if handler is not None else "other"
    metrics.HTTP_REQUESTS.labels(role, method, str(response.status_code)).inc()
    return response


def credentials_of(request: Request) -> Credentials:
    """The bearer token (RFC 9725 §4.8); players that can't set headers put it in the query."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    query = request.query_params
    return Credentials(
        token=bearer or query.get("token", ""),
        subscriber_id=query.get("subscriberId", ""),
        subscriber_code=query.get("subscriberCode", ""),
    )


def _page(status: int, words: str, headers: Mapping[str, str] | None = None) -> Response:
    """As Ant Media answers what does not get as far as to its handlers."""
    return Response(error_page(status, words), status, headers=headers, media_type=MEDIA_TYPE)


def _refusal(error: RillcastError, *, credentials_shown: bool) -> Response:
    status = status_of(error, credentials_shown=credentials_shown)
    return PlainTextResponse(error.message, status, headers=headers_of(error, status))
