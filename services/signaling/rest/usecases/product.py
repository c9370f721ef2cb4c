"""What this server is."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.domain.shapes import Version


class Product:
    """One per signaling instance."""

    def __init__(self, version: str) -> None:
        self._version = version

    async def version(self) -> Version:
        """The version of this server, which is the same for every app."""
        return Version(version_name=self._version)

    async def edition(self) -> Result:
        """Whether this is an edition that plays WebRTC, which clients ask before they do. Always true."""
        return Result(success=True)
