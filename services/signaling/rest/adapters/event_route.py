"""`GET /rillcast/v1/events`: the one endpoint of REST whose answer goes on, so that it is no row of a table."""

from __future__ import annotations

from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.status import EVENTS_PATH
from services.signaling import metrics
from services.signaling.core.adapters.http_client_reader import ClientReader
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.core.ports import Tally
from services.signaling.core.usecases.event_feed import EventFeed
from services.signaling.rest.adapters.event_stream import EventStreamAnswer
from services.signaling.rest.adapters.http_answers import refusal_answer
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.domain.listening import wanted
from services.signaling.rest.domain.refusal import BadInput, Form, Refusal, Refused


def event_route(gate: Gate, tally: Tally, clients: ClientReader, feed: EventFeed) -> Route:
    """For operators of the whole server, also for those who may only look."""

    async def answer(request: Request) -> Response:
        try:
            await gate.operator(request)
            asked = wanted(request.headers.get("last-event-id", ""), dict(request.query_params))
        except (RillcastError, Refused) as error:
            if isinstance(error, BadInput):
                tally.refused_input("events")
            response = refused(error)
            metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()
            return response
        client, _ = clients.counted(request)
        return EventStreamAnswer(feed, asked, client, partial(gate.operator, request))

    return Route(EVENTS_PATH, answer, methods=["GET"])


def refused(error: RillcastError | Refused) -> Response:
    """In plain text as all refusals of the gate to our own paths, but for what makes no sense."""
    if isinstance(error, RillcastError):
        status = status_of(error)
        return refusal_answer(Refusal(status, error.message), headers_of(error, status))
    if isinstance(error, BadInput):
        return refusal_answer(error.refusal)
    return refusal_answer(msgspec.structs.replace(error.refusal, form=Form.TEXT))
