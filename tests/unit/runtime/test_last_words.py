"""Every request is answered, whatever the app does: an answer of its own, 503 when it is cut off, 500 for our bug."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from rillcast.runtime import metrics
from rillcast.runtime.http.last_words import Asgi, Receive, Scope, Send, answer_whatever_happens

HTTP, WEBSOCKET = {"type": "http"}, {"type": "websocket"}
BEGUN = {"type": "http.response.start", "status": 200, "headers": []}
ACCEPTED = {"type": "websocket.accept"}
SECRET = "what the client sent"


async def receive() -> dict[str, Any]:
    return {}


async def sent_by(app: Asgi, scope: Scope) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await answer_whatever_happens(app)(scope, receive, send)
    return sent


def app(*said: dict[str, Any], error: BaseException | None = None) -> Asgi:
    """Says that, and then fails or returns."""

    async def call(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in said:
            await send(message)
        if error is not None:
            raise error

    return call


def failures(kind: str) -> float:
    return float(metrics.HTTP_FAILED.labels(kind)._value.get())


async def test_an_app_that_answers_is_left_alone() -> None:
    body = {"type": "http.response.body", "body": b"x"}
    assert await sent_by(app(BEGUN, body), HTTP) == [BEGUN, body]


async def test_a_request_that_is_cut_off_is_told_to_try_again() -> None:
    start, body = await sent_by(app(error=asyncio.CancelledError()), HTTP)
    assert (start["type"], start["status"]) == ("http.response.start", 503)
    assert dict(start["headers"])[b"connection"] == b"close"
    assert int(dict(start["headers"])[b"content-length"]) == len(body["body"])
    assert b"goes away" in body["body"]


async def test_a_fault_of_ours_is_500_a_count_and_one_line_without_what_the_client_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = failures("http")
    with caplog.at_level(logging.ERROR):
        start, body = await sent_by(app(error=KeyError(SECRET)), HTTP)
    assert start["status"] == 500
    assert int(dict(start["headers"])[b"content-length"]) == len(body["body"])
    assert failures("http") == before + 1
    (line,) = caplog.records
    fields = vars(line)["rillcast_fields"]
    assert fields["error"] == "KeyError"
    assert fields["places"].startswith("test_last_words.py:")
    assert len(fields["places"].split(" < ")) <= 3
    assert SECRET not in repr(vars(line))
    assert not line.exc_info


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyError("a bug")], ids=["cut off", "bug"])
async def test_an_answer_that_has_begun_gets_no_second_one(error: BaseException) -> None:
    assert await sent_by(app(BEGUN, error=error), HTTP) == [BEGUN]


async def test_a_websocket_that_was_accepted_is_closed_with_the_code_of_an_internal_error() -> None:
    before = failures("websocket")
    sent = await sent_by(app(ACCEPTED, error=KeyError(SECRET)), WEBSOCKET)
    assert sent == [ACCEPTED, {"type": "websocket.close", "code": 1011, "reason": "internal error"}]
    assert failures("websocket") == before + 1


async def test_a_websocket_that_was_not_accepted_is_refused_in_http() -> None:
    start, body = await sent_by(app(error=KeyError(SECRET)), WEBSOCKET)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 500)
    assert (body["type"], SECRET.encode() in body["body"]) == ("websocket.http.response.body", False)


async def test_a_websocket_that_is_cut_off_is_closed_by_the_server_and_not_by_us() -> None:
    assert await sent_by(app(ACCEPTED, error=asyncio.CancelledError()), WEBSOCKET) == [ACCEPTED]


@pytest.mark.parametrize("error", [ClientDisconnect(), WebSocketDisconnect()])
@pytest.mark.parametrize("scope", [HTTP, WEBSOCKET], ids=["http", "websocket"])
async def test_a_client_that_left_is_no_fault_and_nobody_is_answered(
    scope: Scope, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    before = failures("http"), failures("websocket")
    with caplog.at_level(logging.INFO):
        assert await sent_by(app(error=error), scope) == []
    assert (failures("http"), failures("websocket")) == before
    assert caplog.records == []


async def test_the_server_hears_what_it_expects_to_hear() -> None:
    with pytest.raises(ClientDisconnected):
        await sent_by(app(error=ClientDisconnected()), HTTP)
