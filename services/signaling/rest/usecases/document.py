"""The document that describes this API."""

from __future__ import annotations

import msgspec


class Document:
    """One per signaling instance."""

    def __init__(self) -> None:
        self.described: bytes = b"{}"
        """The document as JSON. Set at the start, once all routes are known."""

    async def openapi(self) -> msgspec.Raw:
        """The OpenAPI 3.1 document that describes this API."""
        return msgspec.Raw(self.described)
