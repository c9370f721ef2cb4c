"""Calls about product.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, part
from rillcast.client.shapes.common import Result, Version


class Product:
    """What this server is."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_version(self) -> Version:
        """The server's version and edition.

        ``GET /rest/v2/version``
        """
        return self._ask(Version, "GET", "/rest/v2/version")

    def get_app_version(self, app: str) -> Version:
        """The same, asked of an app.

        ``GET /{app}/rest/v2/version``

        `app`: The app.
        """
        return self._ask(Version, "GET", f"/{part(app)}/rest/v2/version")

    def get_edition(self) -> Result:
        """Whether WebRTC playback is there. It always is.

        ``GET /rest/v2/enterprise-edition``
        """
        return self._ask(Result, "GET", "/rest/v2/enterprise-edition")
