"""Fixtures of signaling's tests on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.signaling.wire import WireCluster, wire_cluster


@pytest.fixture
async def c() -> AsyncIterator[WireCluster]:
    """A running cluster with the settings that a service starts with."""
    async with wire_cluster() as running:
        yield running
