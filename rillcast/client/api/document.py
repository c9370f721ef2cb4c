"""Calls about document.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from typing import Any

from rillcast.client.asking import Asking, part


class Document:
    """What describes this API."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_openapi(self) -> Any:
        """This API as an OpenAPI 3.1 document.

        ``GET /rillcast/v1/openapi.json``
        """
        return self._ask.anything("GET", "/rillcast/v1/openapi.json")

    def get_app_openapi(self, app: str) -> Any:
        """The REST of one app as such a document, where Ant Media has it.

        ``GET /{app}/openapi/openapi.json``

        `app`: The app.
        """
        return self._ask.anything("GET", f"/{part(app)}/openapi/openapi.json")

    def get_management_openapi(self) -> Any:
        """The management as such a document, where Ant Media has it.

        ``GET /openapi/openapi.json``
        """
        return self._ask.anything("GET", "/openapi/openapi.json")
