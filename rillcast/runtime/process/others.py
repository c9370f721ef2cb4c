"""What this node tells others of its own life on the bus, and how it watches theirs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack

import aiohttp

from rillcast.contracts import subjects
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import (
    DrainProgress,
    DrainRequest,
    NodeConfirm,
    NodeConfirmed,
    NodeDoubted,
    NodeInfo,
    NodeSilent,
    NodeVouched,
)
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.beats import Beats
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.judging import Doubt
from rillcast.runtime.discovery.nats_discovery import feed_directory
from rillcast.runtime.discovery.node_watch import NodeWatch
from rillcast.runtime.discovery.questions import (
    AGE_HEADER,
    INCARNATION_HEADER,
    NODE_HEADER,
    Questions,
    confirmation,
)
from rillcast.runtime.http.descriptors import lifeline_connections
from rillcast.runtime.ports import Bus
from rillcast.runtime.process.draining import Draining
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by
from rillcast.runtime.process.readiness import Readiness
from rillcast.runtime.process.sole import Twins

_STARTING_RETRY_S = 1.0
_AGE = aiohttp.ClientTimeout(total=2.0)


async def confirm(bus: Bus, info: NodeInfo, identity: NodeIdentity) -> None:
    """From now on, confirm to whoever asks that this process lives."""

    async def confirmed(question: NodeConfirm) -> NodeConfirmed:
        signature = identity.sign(confirmation(question.challenge, info.node, info.incarnation))
        return NodeConfirmed(node=info.node, incarnation=info.incarnation, signature=signature)

    await bus.serve(subjects.node_confirm(info.kind, info.node), NodeConfirm, confirmed)


async def hear(bus: Bus, directory: NodeDirectory, me: NodeInfo, twins: Twins) -> None:
    """From now on, follow who is there in `directory`."""
    await feed_directory(bus, directory, Beats(is_signed_by), me=me, twin=twins.heard)


async def age_of(info: NodeInfo) -> float | None:
    """For how many seconds this process has had its id, as its admin listener says at this moment. None when nobody
    answers there as who it says that it is."""
    try:
        async with aiohttp.ClientSession(timeout=_AGE, cookie_jar=aiohttp.DummyCookieJar()) as http:
            answer = await http.get(f"http://{info.admin_address}/livez", allow_redirects=False)
            headers = answer.headers
            answer.close()
            age_s = float(headers.get(AGE_HEADER, "nan"))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    said = headers.get(NODE_HEADER), headers.get(INCARNATION_HEADER)
    return age_s if said == (info.node, info.incarnation) and age_s >= 0 else None


async def serve_drains(bus: Bus, info: NodeInfo, drains: Draining, readiness: Readiness) -> None:
    """From now on, operators may empty this node, if it is of a kind that has something to move."""
    if info.kind not in (NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER):
        return

    async def asked(request: DrainRequest) -> DrainProgress:
        if "starting" in readiness.reasons:
            raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "this node is still starting", _STARTING_RETRY_S)
        return await drains.asked(request)

    await bus.serve(subjects.node_drain(info.kind, info.node), DrainRequest, asked)


async def watch(
    bus: Bus, directory: NodeDirectory, me: NodeId, kinds: Collection[NodeKind], resources: AsyncExitStack
) -> NodeWatch:
    """The watch over nodes of these kinds, for a supervised task to run. What it opens is closed by `resources`, after
    that task has ended."""
    questions = Questions(bus, is_signed_by)
    resources.push_async_callback(questions.close)

    async def ask_others(info: NodeInfo) -> None:
        doubted = NodeDoubted(node=info.node, incarnation=info.incarnation, signaling=me)
        await bus.emit(subjects.NODE_DOUBTED, doubted)

    async def vouched(_subject: str, event: NodeVouched) -> None:
        watching.vouched(event)

    async def silent(_subject: str, event: NodeSilent) -> None:
        if event.by != event.node:
            watching.doubt(event.node, Doubt.RELAY)

    watching = NodeWatch(directory, questions, kinds=kinds, most=lifeline_connections(), ask_others=ask_others)
    await bus.listen(subjects.node_vouched(me), NodeVouched, vouched)
    await bus.listen(subjects.NODE_SILENT, NodeSilent, silent)
    directory.watched_by(watching)
    return watching
