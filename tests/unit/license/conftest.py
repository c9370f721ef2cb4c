"""No test in this folder takes real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rillcast.testing.clock import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio: every test here runs on a loop that never waits."""
    return {"virtual time": VirtualTimeLoop}
