"""What this server is."""

from __future__ import annotations

from services.signaling.core.domain.result import Result
from services.signaling.rest.domain.shapes import Version


class Product:
    """One per signaling instance."""

    def __init__(self, version: str) -> None:
        self._version = version

    async def version(self) -> Version:
        """The same for every app and for the server."""
        return Version(version_name=self._version)

    async def edition(self) -> Result:
        """Clients ask before they use WebRTC playback."""
        return Result(success=True)
