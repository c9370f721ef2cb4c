"""Webhooks of a whole cluster, whose only signaling instance is killed while a stream is live."""

from __future__ import annotations

import json
from pathlib import Path

from rillcast.testing.eventually import eventually
from rillcast.testing.receiver import receiver
from tests.e2e.aiortc_peers import peer
from tests.e2e.cluster import CONDITION_TIMEOUT_S, RESTART_TIMEOUT_S, cluster, process_of


async def test_a_stream_that_ends_while_signaling_is_dead_is_told_of(tmp_path: Path) -> None:
    apps = tmp_path / "apps.json"
    async with receiver() as hook:
        quick_end = {"listenerHookURL": hook.url, "webRTCClientStartTimeoutMs": 1_000, "webhookRetryCount": 5}
        apps.write_text(json.dumps({"LiveApp": quick_end}))
        settings = {"RILLCAST_SIGNALING_APPS_FILE": str(apps)}
        async with cluster(tmp_path, settings=settings) as own:
            async with peer() as publisher:
                await publisher.publish(own.whip("show"))
                await eventually(lambda: hook.told, CONDITION_TIMEOUT_S, "the start is told")
                process_of(own, "signaling-1").kill()

            def ended() -> bool:
                return "liveStreamEnded" in hook.actions()

            await eventually(ended, RESTART_TIMEOUT_S, "the end is told by the next process")

    marks = {one.id.partition(".")[0] for one in hook.told}
    assert len(marks) == 1, "one life of one stream"
    assert {one.fields["action"] for one in hook.told} == {"liveStreamStarted", "liveStreamEnded"}
    assert {one.fields["id"] for one in hook.told} == {"show"}
