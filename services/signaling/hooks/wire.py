"""Builds the room of webhooks that are told events."""

from __future__ import annotations

import asyncio

from rillcast.contracts import subjects
from rillcast.contracts.ids import stream_key
from rillcast.contracts.permissions import QUEUES
from rillcast.contracts.words import NodeKind
from services.signaling.core.wire import Core
from services.signaling.hooks.usecases.deliveries import Deliveries
from services.signaling.hooks.usecases.outbox import Outbox
from services.signaling.hooks.usecases.session_teller import SessionTeller
from services.signaling.hooks.usecases.stream_teller import StreamTeller
from services.signaling.hooks.usecases.told_plays import ToldPlays


async def wire(core: Core) -> None:
    """Build it and start what goes on beside the rooms. It has no routes."""
    host = core.host
    row = next(row for row in QUEUES if row.name == subjects.QUEUE_HOOKS)
    queue = await host.queue(row)

    def is_first() -> bool:
        """One instance is enough: the first by name."""
        return host.info.node <= min(host.directory.nodes(NodeKind.SIGNALING), default=host.info.node)

    clock = asyncio.get_running_loop().time
    deliveries = Deliveries(queue, core.apps, core.webhook, is_first=is_first, clock=clock)
    outbox = Outbox(queue, core.apps, core.broadcasts, deliveries.wake)
    live = core.watch.directory
    streams = StreamTeller(
        await host.kv(subjects.BUCKET_TOLD_STREAMS),
        await host.kv(subjects.BUCKET_STREAMS, subjects.STREAM_LEASE_S),
        live,
        outbox,
        core.broadcasts,
        is_first=is_first,
    )
    core.watch.on_change(streams.changed)
    plays = ToldPlays(await host.kv(subjects.BUCKET_TOLD_PLAYS), outbox, core.tasks)
    core.grants.add_ledger(plays)
    sessions = SessionTeller(outbox, plays, core.grants.get, core.grants.now_ms)
    core.grants.on_connected(sessions.connected)
    core.grants.on_ended(sessions.over)
    core.admission.note_where(sessions.wants)
    core.events.hear_first(sessions.changed)

    def all_live() -> list[str]:
        return [stream_key(one.app, one.stream) for one in live.all()]

    host.spawn(deliveries.run(), "webhook deliveries")
    host.spawn(outbox.run(), "webhook outbox")
    host.spawn(streams.run(all_live), "webhooks of streams")
    host.spawn(plays.run(), "webhooks of viewers")
