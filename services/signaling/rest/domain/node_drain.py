"""Draining a node, as REST asks for it and answers."""

from __future__ import annotations

import msgspec

from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import DrainCount, DrainProgress
from rillcast.contracts.messages.drains import MOST_DEADLINE_S
from rillcast.contracts.words import DrainPhase, NodeKind
from services.signaling.rest.domain.refusal import Refusal, Refused

DRAINED_KINDS = (NodeKind.ORIGIN, NodeKind.EDGE, NodeKind.TRANSCODER)
UNKNOWN = 404
WRONG_KIND = 409
_INSTEAD = {
    NodeKind.SIGNALING: "send it SIGTERM: its clients are told to come back to another instance, and media goes on",
    NodeKind.LICENSE: "end it: seats last for a while without it, and another instance goes on",
}


class DrainShare(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """Of viewers, publishers, relays or jobs."""

    began: int = 0
    """How many there were when the drain began."""
    moved: int = 0
    """How many went without harm: another node has them, or they left by themselves."""
    left: int = 0
    """How many are still there."""
    cut: int = 0
    """How many were ended although no other node had taken them."""


class NodeDrain(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """How far a node is with its drain."""

    success: bool = True
    message: str = ""
    """The same in one sentence, for people."""
    node: NodeId
    kind: NodeKind
    phase: DrainPhase
    deadline_s: float = 0.0
    """How long the drain may take in all, in seconds."""
    left_s: float = 0.0
    """How much of that is left."""
    ending: bool = False
    """Whether the process ends afterwards, since it got SIGTERM."""
    viewers: DrainShare = DrainShare()
    publishers: DrainShare = DrainShare()
    relays: DrainShare = DrainShare()
    jobs: DrainShare = DrainShare()
    cut: tuple[str, ...] = ()
    """Who was cut off, the first 50 of them."""
    obstacle: str = ""
    """Why nobody can be moved at this moment."""


def node_drain(node: NodeId, kind: NodeKind, progress: DrainProgress) -> NodeDrain:
    """What a node says of its drain, as REST answers it."""
    return NodeDrain(
        message=sentence(node, progress),
        node=node,
        kind=kind,
        phase=progress.phase,
        deadline_s=round(progress.deadline_s, 1),
        left_s=round(progress.left_s, 1),
        ending=progress.ending,
        viewers=_share(progress.viewers),
        publishers=_share(progress.publishers),
        relays=_share(progress.relays),
        jobs=_share(progress.jobs),
        cut=progress.cut,
        obstacle=progress.obstacle,
    )


def sentence(node: NodeId, progress: DrainProgress) -> str:
    """What there is to say in one line."""
    cut = sum(one.cut for one in (progress.viewers, progress.publishers, progress.relays, progress.jobs))
    after = "its process ends" if progress.ending else "it takes nothing new until its process ends or this is undone"
    match progress.phase:
        case DrainPhase.NONE:
            return f"{node} takes new work"
        case DrainPhase.DRAINING:
            return f"{node} is draining" + (f": {progress.obstacle}" if progress.obstacle else "")
        case DrainPhase.DRAINED:
            return f"{node} is drained; {after}"
        case DrainPhase.CUT:
            return f"{node} is empty, {cut} {'was' if cut == 1 else 'were'} cut off; {after}"


def checked_deadline(deadline: int | None) -> float | None:
    """In seconds. Raises `Refused` for one that makes no sense."""
    if deadline is None:
        return None
    if deadline <= 0:
        raise Refused(Refusal(400, f"a deadline of {deadline} s makes no sense; now=true cuts everybody off at once"))
    if deadline > MOST_DEADLINE_S:
        raise Refused(Refusal(400, f"deadline must be at most {MOST_DEADLINE_S:.0f} s, which is a day"))
    return float(deadline)


def unknown(node: str, *, died: bool) -> Refused:
    """There is no such node."""
    if died:
        return Refused(Refusal(UNKNOWN, f"{node} is dead: it was given up without a goodbye, nothing is left to drain"))
    return Refused(Refusal(UNKNOWN, f"there is no node {node}; GET /rillcast/v1/status names those that there are"))


def wrong_kind(node: NodeId, kind: NodeKind) -> Refused:
    """A node of this kind has nothing to move."""
    what = {NodeKind.SIGNALING: "a signaling", NodeKind.LICENSE: "a license"}.get(kind, kind.value)
    return Refused(Refusal(WRONG_KIND, f"{node} is {what} node, which has no media to move; {_INSTEAD[kind]}"))


def _share(count: DrainCount) -> DrainShare:
    return DrainShare(began=count.began, moved=count.moved, left=count.left, cut=count.cut)
