"""REST as schemathesis sees it: it is asked what its document allows and what it does not, one by one and in chains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.signaling.rest.adapters.tables import TABLES
from tests.integration.signaling.rest_instances import rest_instances
from tests.integration.signaling.schema_run import LATE_S, REFUSED_HONESTLY, run

SECONDS = int(os.environ.get("RILLCAST_TEST_SCHEMA_S", "40"))
"""How long it asks one by one, and as long in chains. More finds more."""
SEED = int(os.environ.get("RILLCAST_TEST_SCHEMA_SEED", "1"))


@pytest.mark.timeout(SECONDS * 4 + 3 * LATE_S)
async def test_no_answer_is_a_fault_or_undeclared(tmp_path: Path) -> None:
    async with rest_instances(tmp_path, 2) as (first, _):
        summary = await run(first, tmp_path, SECONDS, SEED)
    assert summary.failures == [], summary.said[-8_000:]
    assert summary.errors == [], summary.said[-8_000:]
    assert summary.tested == sum(len(table.rows) for table in TABLES)
    assert summary.calls(0) > 2 * summary.tested
    assert summary.calls(2) > 0, "along the links"


def test_what_may_answer_501_is_known_by_name() -> None:
    assert [
        *("delete_segment", "find_cameras", "get_heap_dump", "get_webrtc_receive_stats", "get_webrtc_send_stats"),
        *("list_webrtc_client_stats", "request_support", "send_publish_started", "send_publish_stopped"),
        *("send_segment", "send_virtual_stream_data", "upload_chunk", "upload_segment"),
    ] == REFUSED_HONESTLY
