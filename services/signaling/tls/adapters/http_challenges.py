"""Answers certificate authorities that look whether a name leads here."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from rillcast.cluster.shares import SharedPlaces
from rillcast.contracts.errors import RillcastError
from rillcast.runtime.http.addresses import counted_as
from services.signaling import metrics
from services.signaling.tls.ports import Store

MOST_AT_ONCE = 20
"""Requests for which the store is asked at one time. Authorities ask from a handful of places, and each address has a
share."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


class HttpChallenges:
    """The path of RFC 8555 section 8.3, on every instance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places = SharedPlaces(MOST_AT_ONCE)

    async def answer(self, request: Request) -> Response:
        """The key authorization that belongs to the token, or 404."""
        token = request.path_params["token"]
        if _TOKEN.fullmatch(token) is None:
            return PlainTextResponse("there is nothing here", 404)
        client = counted_as(request.client.host) if request.client is not None else ""
        if refused := self._places.take(client):
            metrics.PLACES_REFUSED.labels("challenge", refused).inc()
            return PlainTextResponse("too many ask at one time", 503, {"Retry-After": "1"})
        try:
            proof = await self._store.proof(token)
        except RillcastError:
            return PlainTextResponse("the store does not answer", 503, {"Retry-After": "1"})
        finally:
            self._places.leave(client)
        return PlainTextResponse("there is nothing here", 404) if proof is None else PlainTextResponse(proof)
