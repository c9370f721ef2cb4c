"""Rows of the REST tables as FastAPI routes."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, HTTPException, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from rillcast.contracts.errors import RillcastError
from services.signaling import metrics
from services.signaling.core.adapters.http_body import BodyRefused
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Tally
from services.signaling.operators.domain.rights import Caller
from services.signaling.rest.adapters.endpoint import Endpoint, Table, about, base_type, on_wire
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.json_body import body_reader
from services.signaling.rest.adapters.schemas import Schemas
from services.signaling.rest.domain.answered import WithCookie
from services.signaling.rest.domain.refusal import BadInput, Refusal, Refused

Handler = Callable[..., Awaitable[Any]]
Row = Endpoint[Any, Any]


@dataclass(frozen=True)
class RestServices:
    """What the routes of all tables share."""

    gate: Gate
    tally: Tally
    schemas: Schemas


def rest_routes(
    tables: Iterable[Table[Any]], resources: Mapping[type, object], services: RestServices
) -> list[RestRoute]:
    """A route per row. `resources`: the instance for each table."""
    return [
        RestRoute(table, row, row.handler.__get__(resources[table.resource]), services)
        for table in tables
        for row in table.rows
    ]


def answer_head(routes: Iterable[RestRoute]) -> None:
    """HEAD is answered wherever GET is. Called once the document is made, which need not say so."""
    for route in routes:
        if "GET" in route.methods:
            route.methods.add("HEAD")


class RestRoute(APIRoute):
    """One row. FastAPI reads the parameters, asks the guard and describes both. This adds refusals in Ant Media's
    forms, and answers by msgspec."""

    methods: set[str]

    def __init__(self, table: Table[Any], row: Row, handler: Handler, services: RestServices) -> None:
        self._row = row
        self._input = table.input
        self._tally = services.tally
        super().__init__(
            row.path,
            _endpoint(row, handler, services.gate),
            methods=[row.method],
            operation_id=f"{table.tag}_{row.operation}",
            tags=[table.tag],
            summary=row.summary,
            response_class=Response,
            openapi_extra=services.schemas.operation(row),
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with refusals turned into answers."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except RequestValidationError as error:
                response = _refusal(Refusal(400, _misread(self._row, error)))
            except BodyRefused as error:
                response = _refusal(Refusal(error.status, error.message))
            except RillcastError as error:
                status = status_of(error)
                response = _refusal(Refusal(status, error.message), headers_of(error, status))
            except Refused as error:
                if isinstance(error, BadInput):
                    self._tally.refused_input(self._input)
                response = _refusal(error.refusal)
            metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()
            return response

        return answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A 405 names the methods of all routes with that path, not of the first alone."""
        if scope["method"] not in self.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(_methods_at(scope)))})
        await super().handle(scope, receive, send)


def _endpoint(row: Row, handler: Handler, gate: Gate) -> Handler:
    """The handler as FastAPI shall see it: the guard first, then the parameters, with where each comes from."""
    takes = inspect.signature(handler).parameters

    async def guard(request: Request) -> Caller:
        return await row.guard.admit(gate, request)

    async def answer(**given: Any) -> Response:
        value = await handler(**{name: given[name] for name in takes})
        if isinstance(value, WithCookie):
            return _with_cookie(value)
        if value is not None:
            return _json(value)
        assert row.nothing, f"{row.method} {row.path} answers nothing, and its row does not say when"
        return Response(status_code=204)

    def parameter(name: str, source: Any) -> inspect.Parameter:
        default = takes[name].default if name in takes else inspect.Parameter.empty
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=source)

    admitted = Annotated[Caller, Depends(guard)]
    sources = {name: _source(row, name, annotation) for name, annotation in row.parameters.items()}
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter("admitted", admitted), *(parameter(name, source or admitted) for name, source in sources.items())]
    )
    return answer


def _source(row: Row, name: str, annotation: Any) -> Any:
    """Where FastAPI gets a handler's parameter from; None for the caller."""
    if name == "body":
        return Annotated[Any, Depends(body_reader(row.body, may_lack=row.body_may_lack))]
    kind = base_type(annotation)
    if kind is Caller:
        return None
    said = about(annotation)
    describe: dict[str, Any] = {"description": said.text or None}
    if said.format:
        describe["json_schema_extra"] = {"format": said.format}
    place = Path(**describe) if name in row.in_path else Query(alias=on_wire(name, annotation), **describe)
    return Annotated[int, BeforeValidator(_whole_number), place] if kind is int else Annotated[kind, place]


def _whole_number(text: object) -> int:
    """Text alone: 1.0 and true are none."""
    return int(str(text))


def _misread(row: Row, error: RequestValidationError) -> str:
    """A sentence that names what cannot be read."""
    wrong = {str(one["loc"][-1]): str(one["msg"]) for one in error.errors()}
    numbers = [on_wire(name, kind) for name, kind in row.parameters.items() if base_type(kind) is int]
    if wrong.keys() <= set(numbers) and "missing" not in {one["type"] for one in error.errors()}:
        return f"{' and '.join(numbers)} must be {'whole numbers' if len(numbers) > 1 else 'a whole number'}"
    return "; ".join(f"{name}: {why}" for name, why in wrong.items())


def _methods_at(scope: Scope) -> set[str]:
    routes = [route for route in scope["router"].routes if isinstance(route, Route)]
    return {method for route in routes if route.matches(scope)[0] is not Match.NONE for method in route.methods or ()}


def _refusal(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as Ant Media gives it: plain text, or a `Result` in JSON."""
    if refusal.plain:
        response: Response = PlainTextResponse(refusal.message, refusal.status)
    else:
        response = _json(Result(success=False, message=refusal.message), refusal.status)
    response.headers.update(headers or {})
    return response


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _with_cookie(value: WithCookie) -> Response:
    """Never kept by anybody on the way."""
    answer = _json(value.answer)
    answer.headers["Set-Cookie"] = value.set_cookie
    answer.headers["Cache-Control"] = "no-store"
    return answer
