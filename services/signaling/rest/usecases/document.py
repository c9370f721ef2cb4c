"""The documents that describe this API."""

from __future__ import annotations

import msgspec

from services.signaling.rest.domain.parameters import App


class Document:
    """One per signaling instance."""

    def __init__(self) -> None:
        self.described: bytes = b"{}"
        """The document as JSON. Set at the start, once all routes are known; the others as well."""
        self.of_apps: dict[str, msgspec.Raw] = {}
        """What of it concerns one app, without the servers, with its paths below ``/{app}/rest``."""
        self.of_server: dict[str, msgspec.Raw] = {}
        """What of it concerns the management, with its paths below ``/rest``."""

    async def openapi(self) -> msgspec.Raw:
        """The OpenAPI 3.1 document that describes this API."""
        return msgspec.Raw(self.described)

    async def of_app(self, app: App) -> msgspec.Raw:
        """The one that describes the REST of one app."""
        return _served_at(f"/{app}/rest", self.of_apps)

    async def of_management(self) -> msgspec.Raw:
        """The one that describes the management."""
        return _served_at("/rest", self.of_server)


def _served_at(base: str, described: dict[str, msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({**described, "servers": [{"url": base}]}))
