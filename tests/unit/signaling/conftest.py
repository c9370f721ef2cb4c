"""What holds in every test of signaling."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from services.signaling.rest.adapters.http_routes import RestRoute
from services.signaling.rest.domain.refusal import Form

KINDS = {Form.RESULT: "application/json", Form.TEXT: "text/plain", Form.PAGE: "text/html"}


@pytest.fixture(autouse=True)
def every_answer_of_rest_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test asks REST: an answer that the row does not declare, or not of this media type, is a failure."""
    count = RestRoute.answered

    def checked(route: RestRoute, request: Request, response: Response) -> None:
        row = route.row
        declared = {status: {KINDS[one.form] for one in those} for status, those in row.refusals.items()}
        if row.missing is None:
            declared.setdefault(200, set()).add(row.produces)
        if row.nothing:
            declared[204] = {""}
        kind = response.headers.get("content-type", "").partition(";")[0]
        what = f"{row.name} answers {response.status_code} as {kind or 'nothing'}, which its row does not declare"
        assert kind in declared.get(response.status_code, set()), what
        count(route, request, response)

    monkeypatch.setattr(RestRoute, "answered", checked)
