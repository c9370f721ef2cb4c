"""Rows of the REST tables as FastAPI routes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from rillcast.contracts.errors import ErrorCode, RillcastError
from services.signaling import metrics
from services.signaling.core.adapters.http_body import BodyRefused, has_body, media_type
from services.signaling.core.domain.http_status import headers_of, status_of
from services.signaling.core.domain.result import NotServed
from services.signaling.core.ports import Tally
from services.signaling.operators.domain.rights import Caller, may
from services.signaling.rest.adapters.endpoint import Endpoint, Table, about, base_type, form_of, limits_of, on_wire
from services.signaling.rest.adapters.http_answers import answer_with_cookie, json_answer, refusal_answer
from services.signaling.rest.adapters.http_frame import NO_FRAMES
from services.signaling.rest.adapters.http_gate import Gate
from services.signaling.rest.adapters.json_body import body_reader
from services.signaling.rest.domain.answered import PlainText, WithCookie
from services.signaling.rest.domain.negotiation import accepts
from services.signaling.rest.domain.parameters import About
from services.signaling.rest.domain.refusal import (
    NOT_ACCEPTABLE,
    NOT_FOUND,
    UNSUPPORTED_TYPE,
    BadInput,
    Refusal,
    Refused,
)
from services.signaling.rest.domain.veil import veiled

Handler = Callable[..., Awaitable[Any]]
Row = Endpoint[Any, Any]
MOST_IN_QUERY = 256
"""Characters of one value in the query of a path that is ours."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True)
class RestServices:
    """What stands behind the routes in one instance of signaling."""

    gate: Gate
    tally: Tally
    resources: Mapping[type, object]
    """The instance for each table."""


def rest_routes(tables: Iterable[Table[Any]]) -> list[RestRoute]:
    """A route per row. Instances of signaling may share them: what stands behind a request is the `RestServices` of the
    app that got it, its ``state.rest``."""
    return [RestRoute(table, row) for table in tables for row in table.rows]


def answer_head(routes: Iterable[RestRoute]) -> None:
    """HEAD is answered wherever GET is. Called once the document is made, which need not say so."""
    for route in routes:
        if "GET" in route.methods:
            route.methods.add("HEAD")


class RestRoute(APIRoute):
    """One row. FastAPI reads the parameters, asks the guard and describes both. This adds refusals in Ant Media's
    forms, and answers by msgspec."""

    methods: set[str]

    def __init__(self, table: Table[Any], row: Row) -> None:
        self.row = row
        """What this route serves."""
        self._input = table.input
        super().__init__(
            row.path,
            _endpoint(table, row),
            methods=[row.method],
            operation_id=row.name,
            tags=[table.tag],
            summary=row.summary,
            response_class=Response,
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with refusals turned into answers."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handler(request)
            except RequestValidationError as error:
                response = self._refusal(_misread(self.row, error))
            except BodyRefused as error:
                response = self._refusal(Refusal(error.status, error.message))
            except RillcastError as error:
                status = status_of(error)
                headers = headers_of(error, status) | (NO_FRAMES if error.code is ErrorCode.UNKNOWN_APP else {})
                response = self._refusal(Refusal(status, error.message, form_of(status)), headers)
            except Refused as error:
                if isinstance(error, BadInput):
                    _behind(request).tally.refused_input(self._input)
                if error.refusal == self.row.missing:
                    metrics.NOT_SERVED.labels(self._input).inc()
                response = self._refusal(error.refusal)
            self.answered(request, response)
            return response

        return answer

    def answered(self, request: Request, response: Response) -> None:
        """Count an answer. Each goes through here."""
        metrics.HTTP_REQUESTS.labels("rest", request.method, str(response.status_code)).inc()

    def _refusal(self, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
        return refusal_answer(self.row.in_form(refusal), headers)


def _behind(request: Request) -> RestServices:
    found: RestServices = request.app.state.rest
    return found


def _endpoint(table: Table[Any], row: Row) -> Handler:
    """The handler as FastAPI shall see it: the guard first, then the parameters, with where each comes from."""
    takes = inspect.signature(row.handler).parameters

    async def guard(request: Request) -> Caller:
        caller = await row.guard.admit(_behind(request).gate, request)
        if row.ours:
            _check_query(row, request)
        if row.missing is None:
            _negotiate(row, request)
        return caller

    async def answer(request: Request, **given: Any) -> Response:
        resource = _behind(request).resources[table.resource]
        value = await row.handler(resource, **{name: given[name] for name in row.parameters if name in takes})
        if not may(given["admitted"], row.guard.changing, "POST", request.path_params.get("app", "")):
            value = veiled(value)
        if isinstance(value, NotServed):
            metrics.NOT_SERVED.labels(table.input).inc()
        if isinstance(value, WithCookie):
            return answer_with_cookie(value)
        if isinstance(value, PlainText):
            return Response(value.text, media_type=row.produces)
        if value is not None:
            return json_answer(value)
        assert row.nothing, f"{row.method} {row.path} answers nothing, and its row does not say when"
        return Response(status_code=204)

    def parameter(name: str, source: Any) -> inspect.Parameter:
        default = takes[name].default if name in takes else inspect.Parameter.empty
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=source)

    admitted = Annotated[Caller, Depends(guard)]
    sources = {name: _source(row, name, annotation) for name, annotation in row.parameters.items()}
    answer.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            parameter("request", Request),
            parameter("admitted", admitted),
            *(parameter(name, source or admitted) for name, source in sources.items()),
        ]
    )
    return answer


def _source(row: Row, name: str, annotation: Any) -> Any:
    """Where FastAPI gets a handler's parameter from; None for the caller."""
    if name == "body":
        limits: dict[str, Any] = {"may_lack": row.body_may_lack, "most_bytes": row.most_bytes}
        return Annotated[Any, Depends(body_reader(row.body, text_is=row.text_is, **limits))]
    kind = base_type(annotation)
    if kind is Caller:
        return None
    said = about(annotation)
    describe: dict[str, Any] = {"description": said.text or None}
    if said.format:
        describe["json_schema_extra"] = {"format": said.format}
    elif kind in (int, int | None):
        least, most = limits_of(said)
        describe["json_schema_extra"] = {"format": f"int{said.bits}", "minimum": least, "maximum": most}
    place = Path(**describe) if name in row.in_path else Query(alias=on_wire(name, annotation), **describe)
    return (
        Annotated[int, BeforeValidator(_whole_number(*limits_of(said))), place]
        if kind is int
        else Annotated[kind, place]
    )


def _check_query(row: Row, request: Request) -> None:
    """Raises `BadInput` for words of the query that nobody reads: a client that misspells one would believe that it had
    asked for less than it gets. Ant Media passes them over, and so do the paths that are its own."""
    known = row.in_query
    said = set[str]()
    for name, value in request.query_params.multi_items():
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "there is nothing to be said there"
            raise BadInput(f"{name[:80]!r} is nothing that this can be asked for; {there}")
        if name in said:
            raise BadInput(f"{name} is said more than once")
        said.add(name)
        if len(value) > MOST_IN_QUERY:
            raise BadInput(f"{name} has more than {MOST_IN_QUERY} characters")


def _negotiate(row: Row, request: Request) -> None:
    """Raises `Refused` for a body that is of another type than the row reads, and for a client that does not want what
    the row answers."""
    given = media_type(request) if has_body(request) else ""
    if (given or row.needs_type) and given not in row.consumes:
        raise _of_type(UNSUPPORTED_TYPE, " or ".join(row.consumes))
    if not row.ours and not accepts(",".join(request.headers.getlist("accept")), row.produces):
        raise _of_type(NOT_ACCEPTABLE, row.produces)


def _of_type(refusal: Refusal, kind: str) -> Refused:
    return Refused(msgspec.structs.replace(refusal, message=refusal.message.format(type=kind)))


def _whole_number(least: int, most: int) -> Callable[[object], int]:
    """Reads text alone, since 1.0 and true are none."""

    def read(text: object) -> int:
        if _NUMBER.fullmatch(str(text)) is None or not least <= (number := int(str(text))) <= most:
            raise ValueError("no whole number")
        return number

    return read


def _misread(row: Row, error: RequestValidationError) -> Refusal:
    """Names what cannot be read. Where a number should be and is none, Ant Media has nothing at all."""
    wrong = {str(one["loc"][-1]): str(one["msg"]) for one in error.errors()}
    numbers = {
        on_wire(name, kind): kind for name, kind in row.parameters.items() if base_type(kind) in (int, int | None)
    }
    if wrong.keys() <= numbers.keys() and "missing" not in {one["type"] for one in error.errors()}:
        return _no_number(row, {name: numbers[name] for name in wrong})
    return Refusal(400, "; ".join(f"{name}: {why}" for name, why in wrong.items()))


def _no_number(row: Row, numbers: Mapping[str, Any]) -> Refusal:
    if not row.ours:
        return NOT_FOUND
    return Refusal(400, "; ".join(f"{name} must be {_a_number(about(kind))}" for name, kind in numbers.items()))


def _a_number(said: About) -> str:
    if said.least is None:
        return "a whole number"
    return "a whole number" + (f", {said.least} or more" if said.most is None else f" from {said.least} to {said.most}")
