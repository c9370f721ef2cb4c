"""Webhooks of a whole cluster in which signaling instances are killed while a stream is live."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rillcast.testing.eventually import eventually
from rillcast.testing.receiver import Receiver, receiver
from tests.e2e.aiortc_peers import peer
from tests.e2e.cluster import RESTART_TIMEOUT_S, Cluster, cluster, process_of
from tests.e2e.instances import second_signaling


@asynccontextmanager
async def told(tmp_path: Path, hook: Receiver) -> AsyncIterator[Cluster]:
    """A cluster whose app tells this webhook."""
    apps = tmp_path / "apps.json"
    quick_end = {"listenerHookURL": hook.url, "webRTCClientStartTimeoutMs": 1_000, "webhookRetryCount": 5}
    apps.write_text(json.dumps({"LiveApp": quick_end}))
    async with cluster(tmp_path, settings={"RILLCAST_SIGNALING_APPS_FILE": str(apps)}) as running:
        yield running


async def comes(hook: Receiver, action: str) -> None:
    """Wait until the webhook is told this."""
    await eventually(lambda: action in hook.actions(), RESTART_TIMEOUT_S, f"{action} is told")


async def test_a_stream_that_ends_while_signaling_is_dead_is_told_of(tmp_path: Path) -> None:
    async with receiver() as hook, told(tmp_path, hook) as own:
        async with peer() as publisher:
            await publisher.publish(own.whip("show"))
            await comes(hook, "liveStreamStarted")
            process_of(own, "signaling-1").kill()
        await comes(hook, "liveStreamEnded")

    marks = {one.id.partition(".")[0] for one in hook.told}
    assert len(marks) == 1, "one life of one stream"
    assert {one.fields["action"] for one in hook.told} == {"liveStreamStarted", "liveStreamEnded"}
    assert {one.fields["id"] for one in hook.told} == {"show"}


async def test_viewers_of_an_instance_that_was_killed_are_told_to_be_gone(tmp_path: Path) -> None:
    async with (
        receiver() as hook,
        told(tmp_path, hook) as own,
        second_signaling(own) as second,
        peer() as publisher,
        peer() as viewer,
    ):
        await publisher.publish(own.whip("show"))
        await comes(hook, "liveStreamStarted")
        there = own.whep("show").replace(own.base, f"http://127.0.0.1:{second.port}")
        await viewer.watch(f"{there}?subscriberId=ann")
        await comes(hook, "playStarted")
        await second.end(signal.SIGKILL)
        await comes(hook, "playStopped")
        assert "liveStreamEnded" not in hook.actions()
    seen = [one for one in hook.told if one.fields["action"].startswith("play")]
    assert {one.fields["subscriberId"] for one in seen} == {"ann"}
    assert len({one.id.partition(".")[0] for one in seen}) == 1, "one session"
