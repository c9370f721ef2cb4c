"""The license document in a mounted file. Read anew at every look, so that a Kubernetes secret update or a copy is
noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rillcast.licensing.document import MAX_LICENSE_BYTES, LicenseRefused, Refusal


class FileDocument:
    """`ports.DocumentSource` on one path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    async def read(self) -> bytes | None:
        """At most one byte more than a license may have, off the event loop."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes | None:
        try:
            if self._path.exists() and not self._path.is_file():
                raise LicenseRefused(Refusal.UNREADABLE, "not a regular file")
            with self._path.open("rb") as file:
                return file.read(MAX_LICENSE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LicenseRefused(Refusal.UNREADABLE, f"can't be read: {error.strerror}") from error
