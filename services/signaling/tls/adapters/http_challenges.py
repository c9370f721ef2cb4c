"""Answers certificate authorities that look whether a name leads here."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.contracts.errors import RillcastError
from services.signaling.tls.ports import Store

MOST_AT_ONCE = 20
"""Requests for which the store is asked at one time. Authorities ask from a handful of places."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


class HttpChallenges:
    """The path of RFC 8555 section 8.3, on every instance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking = 0

    async def answer(self, request: Request) -> Response:
        """The key authorization that belongs to the token, or 404."""
        token = request.path_params["token"]
        if _TOKEN.fullmatch(token) is None:
            return PlainTextResponse("there is nothing here", 404)
        if self._asking >= MOST_AT_ONCE:
            return PlainTextResponse("too many ask at one time", 503, {"Retry-After": "1"})
        self._asking += 1
        try:
            proof = await self._store.proof(token)
        except RillcastError:
            return PlainTextResponse("the store does not answer", 503, {"Retry-After": "1"})
        finally:
            self._asking -= 1
        return PlainTextResponse("there is nothing here", 404) if proof is None else PlainTextResponse(proof)
