"""Calls about document.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Any

from rillcast.client.asking import Asking


class Document:
    """What describes this API."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_openapi(self) -> Any:
        """This API as an OpenAPI 3.1 document.

        ``GET /rillcast/v1/openapi.json``
        """
        return self._ask.anything("GET", "/rillcast/v1/openapi.json")
