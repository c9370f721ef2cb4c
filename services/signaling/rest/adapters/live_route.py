"""`GET /rillcast/v1/live`: what consoles show. Its answer goes on, so that it is no row of a table."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.status import LIVE_PATH
from services.signaling import metrics
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.ports import Tally
from services.signaling.rest.adapters.event_route import refused
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.live_stream import LiveAnswer
from services.signaling.rest.domain.live_ask import asked
from services.signaling.rest.domain.refusal import BadInput, Refused
from services.signaling.rest.usecases.live_feed import LiveFeed


def live_route(gate: Gate, tally: Tally, clients: ClientReader, feed: LiveFeed) -> Route:
    """For operators of the whole server, also for those who may only look."""

    async def answer(request: Request) -> Response:
        try:
            await gate.operator(request)
            ask = asked(dict(request.query_params))
        except (RillcastError, Refused) as error:
            if isinstance(error, BadInput):
                tally.refused_input("live")
            response = refused(error)
            metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()
            return response
        client, _ = clients.counted(request)
        return LiveAnswer(feed, ask, client, partial(gate.operator, request))

    return Route(LIVE_PATH, answer, methods=["GET"])
