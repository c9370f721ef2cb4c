"""Whether the tests on a real Consul agent can run."""

from __future__ import annotations

import os

import pytest

from rillcast.testing.servers import find_consul


def need_consul() -> None:
    """Skip without Consul on a laptop; in CI (RILLCAST_REQUIRE_ALL=1) that is a failure."""
    required = os.environ.get("RILLCAST_REQUIRE_ALL") == "1"
    try:
        find_consul(get=required)
    except FileNotFoundError as error:
        if required:
            pytest.fail(f"Consul is required: {error}")
        pytest.skip(f"no Consul here, deploy/consul/get-consul gets one ({error})")
