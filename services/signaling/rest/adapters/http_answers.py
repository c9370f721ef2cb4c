"""What handlers return and what they refuse with, as answers of HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import PlainTextResponse, Response

from services.signaling.core.domain.error_page import MEDIA_TYPE, error_page
from services.signaling.core.domain.result import Result
from services.signaling.rest.domain.answered import WithCookie
from services.signaling.rest.domain.negotiation import JSON
from services.signaling.rest.domain.refusal import Form, Refusal


def refusal_answer(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in its form."""
    match refusal.form:
        case Form.PAGE:
            response = Response(error_page(refusal.status, refusal.message), refusal.status)
            response.headers["Content-Type"] = MEDIA_TYPE
        case Form.TEXT:
            response = PlainTextResponse(refusal.message, refusal.status)
        case Form.RESULT:
            response = json_answer(Result(success=False, message=refusal.message), refusal.status)
    response.headers.update(headers or {})
    return response


def json_answer(value: object, status: int = 200) -> Response:
    """Anything that msgspec encodes."""
    return Response(msgspec.json.encode(value), status, media_type=JSON)


def answer_with_cookie(value: WithCookie) -> Response:
    """Never kept by anybody on the way."""
    answer = json_answer(value.answer)
    answer.headers["Set-Cookie"] = value.set_cookie
    answer.headers["Cache-Control"] = "no-store"
    return answer
