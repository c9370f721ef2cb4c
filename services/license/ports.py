"""What the license service needs from outside: bus and store (`rillcast.runtime.ports`), clocks, the license file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rillcast.runtime.ports import Bus, Entry, KeyValue

__all__ = ["Bus", "Clock", "DocumentSource", "Entry", "KeyValue"]

Clock = Callable[[], float]
"""Seconds. Wall clocks count from 1970, monotonic ones from anywhere."""


class DocumentSource(Protocol):
    """Where an operator puts the license document."""

    @property
    def name(self) -> str:
        """For messages, e.g. the file's path."""
        ...

    async def read(self) -> bytes | None:
        """The document; None when nothing is there (yet). Raises LicenseRefused when it can't be read or is far too
        large."""
        ...
