"""What the router itself refuses: an address at which there is nothing, a method that does nothing."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

Render = Callable[[int, str], Response]
"""Makes an answer of a status and a sentence."""


def plainly(status: int, sentence: str) -> Response:
    """An answer that holds the sentence as one line of text."""
    return PlainTextResponse(f"{sentence}\n", status)


def refuse_in_words(app: FastAPI, render: Render = plainly) -> None:
    """Have the router of `app` refuse in the shape that `render` gives to all of its refusals. FastAPI by itself
    answers ``{"detail": …}``, which no other part of an app does."""

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = render(error.status_code, in_words(request, error))
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(HTTPException, answer)


def in_words(request: Request, error: HTTPException) -> str:
    """What the router found, as a sentence."""
    match error.status_code:
        case 404:
            return "there is nothing at this address"
        case 405:
            return f"{request.method[:32]} does nothing here"
    return error.detail
