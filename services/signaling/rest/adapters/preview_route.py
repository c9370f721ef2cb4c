"""`GET /rillcast/v1/apps/{app}/streams/{stream}/preview`: a small picture. It answers no JSON, so that it is no row of
a table."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, StreamId, is_stream_id
from rillcast.contracts.messages.previews import PICTURE_TYPE
from rillcast.contracts.status import PREVIEW_PATH
from services.signaling import metrics
from services.signaling.core.domain.conditional import has_already
from services.signaling.core.ports import Tally
from services.signaling.rest.adapters.event_route import refused
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.domain.refusal import BadInput, Refused
from services.signaling.rest.usecases.previews import FRESH_S, Previews


def preview_route(gate: Gate, tally: Tally, previews: Previews) -> Route:
    """For who may read the streams of the app, also for those who may only look."""

    async def answer(request: Request) -> Response:
        try:
            await gate.operator_of_app(request)
            if request.query_params:
                raise BadInput("a picture cannot be asked for in other ways; there is nothing to be said in the query")
            response = await _picture(request, previews)
        except (RillcastError, Refused) as error:
            if isinstance(error, BadInput):
                tally.refused_input("previews")
            response = refused(error)
            response.headers["Cache-Control"] = "no-store"
        metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()
        return response

    return Route(PREVIEW_PATH, answer, methods=["GET"])


async def _picture(request: Request, previews: Previews) -> Response:
    app, stream = AppName(request.path_params["app"]), StreamId(request.path_params["stream"])
    if not is_stream_id(stream):
        raise RillcastError(ErrorCode.NO_STREAM_EXIST, "no stream has such an id")
    shown = await previews.picture(app, stream)
    headers = {"Cache-Control": f"private, max-age={FRESH_S:.0f}", "ETag": shown.tag}
    if has_already(",".join(request.headers.getlist("if-none-match")), shown.tag):
        return Response(status_code=304, headers=headers)
    return Response(shown.picture, media_type=PICTURE_TYPE, headers=headers)
