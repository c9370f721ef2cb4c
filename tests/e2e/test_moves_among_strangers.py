"""A publisher that nobody verified is moved to another origin, while a stranger asks for its stream in a loop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from rillcast.contracts.status import StreamStatus
from rillcast.runtime.tasks.cancel import cancelled
from tests.e2e.aiortc_peers import peer
from tests.e2e.browser import Strangers
from tests.e2e.cluster import Cluster, until
from tests.e2e.test_node_failures import end, pairs, watched

__all__ = ["pairs"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "drained"])
async def test_a_stranger_in_a_loop_never_gets_the_stream_of_a_publisher_that_is_moved(
    pairs: Cluster, strangers: Strangers, stream: str, how: signal.Signals
) -> None:
    async with AsyncExitStack() as stack:
        publisher, viewer = await stack.enter_async_context(watched(pairs, strangers, stream))
        thief = await stack.enter_async_context(peer())
        live, began = await pairs.live(stream), await publisher.observe()
        insisting = asyncio.create_task(thief.insist(pairs.whip(stream)))
        stack.push_async_callback(cancelled, insisting)

        async def refusals() -> int:
            return thief.refused

        async def elsewhere() -> StreamStatus | None:
            return await pairs.stream(stream)

        await until(refusals, lambda count: count > 3, "the stranger is refused while the publisher sends")
        await end(pairs, live.origin, how)
        await until(elsewhere, lambda now: now and now.origin != live.origin, "another origin has the stream")
        before = thief.refused
        await until(refusals, lambda count: count > before + 20 or insisting.done(), "the stranger asks on")

        assert not insisting.done(), "the stranger was let in"
        await viewer.until_frames_go_on()
        sent = await publisher.observe()
        assert (sent.made, sent.heard_since(began, "publish_finished")) == (began.made, False)
        assert not sent.heard_since(began, "reconnection_attempt_for_publisher")
