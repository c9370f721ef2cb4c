"""What this node tells others of its own life on the bus, and how it watches theirs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeConfirm, NodeConfirmed, NodeDoubted, NodeInfo, NodeVouched
from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.discovery.node_watch import NodeWatch
from rillcast.runtime.discovery.questions import Questions, confirmation
from rillcast.runtime.http.descriptors import lifeline_connections
from rillcast.runtime.ports import Bus
from rillcast.runtime.process.identity import NodeIdentity, is_signed_by


async def confirm(bus: Bus, info: NodeInfo, identity: NodeIdentity) -> None:
    """From now on, confirm to whoever asks that this process lives."""

    async def confirmed(question: NodeConfirm) -> NodeConfirmed:
        signature = identity.sign(confirmation(question.challenge, info.node, info.incarnation))
        return NodeConfirmed(node=info.node, incarnation=info.incarnation, signature=signature)

    await bus.serve(subjects.node_confirm(info.kind, info.node), NodeConfirm, confirmed)


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

    watching = NodeWatch(directory, questions, kinds=kinds, most=lifeline_connections(), ask_others=ask_others)
    await bus.listen(subjects.node_vouched(me), NodeVouched, vouched)
    directory.watched_by(watching)
    return watching
