"""What nodes say of themselves, and who may say it: heartbeats and goodbyes that are not a node's own are refused.

NATS tells kinds of nodes apart, and not the nodes of one kind. So a node signs what it says with the key that it made
at its start, and whose public half stands in its description. A description is believed when it is the first one, or
when the process that was known has fallen silent or said goodbye.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from enum import StrEnum

import msgspec

from rillcast.contracts import subjects
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import NodeInfo, NodeLeft, NodeReport
from rillcast.runtime import metrics
from rillcast.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

IsSigned = Callable[[str, str, bytes], bool]
"""Whether who has this public key has made this signature of these bytes."""
MOST_CHECKED_PER_S = 100
"""A signature takes some 0.12 ms to look at. When more heartbeats come, each is looked at with a chance that fits."""
SUSPECT_S = 60.0
"""For so long after a forgery, every heartbeat in the name of that node is looked at."""
MOST_SUSPECTED = 1_000

_encode = msgspec.json.Encoder().encode


def statement(report: NodeReport) -> bytes:
    """What a node signs of its heartbeat: all that others act upon."""
    said = (report.ready, report.draining, report.store_lost, report.beat, report.up_s, report.load, report.carried)
    return b"rillcast node report\0" + _encode((report.info, said))


def farewell(event: NodeLeft) -> bytes:
    """What a node signs when it leaves in order."""
    return b"rillcast node left\0" + _encode((event.node, event.kind, event.incarnation))


class Fault(StrEnum):
    """What is wrong with a heartbeat or a goodbye: the labels of ``rillcast_node_events_refused_total``."""

    SUBJECT = "subject"
    """It speaks of another node than its subject."""
    TWICE = "twice"
    """Of another process under the id of one that lives."""
    CHANGED = "changed"
    """It describes the process otherwise than before."""
    REPLAYED = "replayed"
    """An earlier one came again."""
    FORGED = "forged"
    """The node has not signed it."""
    STRANGER = "stranger"
    """The goodbye of a process that is not known."""


class Beats:
    """Tells what is a node's own from what is not. One per process."""

    def __init__(
        self,
        is_signed: IsSigned,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._is_signed = is_signed
        self._clock = clock
        self._chance = chance
        self._second = 0.0
        self._in_second = 0
        self._share = 1.0
        """Of heartbeats that are looked at in this second."""
        self._suspected: dict[NodeId, float] = {}
        """Until when everything in their names is looked at."""

    def fault(self, subject: str, report: NodeReport, known: NodeReport | None) -> Fault | None:
        """Why a heartbeat is refused; None when it is good.
        `known`: the last report of this node, if it is alive."""
        info = report.info
        if subject != subjects.node_reported(info.kind, info.node):
            return Fault.SUBJECT
        if known is not None and known.info.incarnation == info.incarnation:
            if known.info != info:
                return Fault.CHANGED
            if known.beat and report.beat <= known.beat:
                return Fault.REPLAYED
        if info.identity and self._looks_at(info.node) and not self._is(info, report.signature, statement(report)):
            self._suspect(info.node)
            return Fault.FORGED
        return None

    def fault_of_goodbye(self, subject: str, event: NodeLeft, known: NodeReport | None) -> Fault | None:
        """Why a goodbye is refused; None when it is good. `known`: as for `fault`."""
        if subject != subjects.node_left(event.kind, event.node):
            return Fault.SUBJECT
        if known is None or (known.info.identity and known.info.incarnation != event.incarnation):
            return Fault.STRANGER
        if known.info.identity and not self._is(known.info, event.signature, farewell(event)):
            return Fault.FORGED
        return None

    def _is(self, info: NodeInfo, signature: str, said: bytes) -> bool:
        return self._is_signed(info.identity, signature, said)

    def _looks_at(self, node: NodeId) -> bool:
        now = self._clock()
        if now - self._second >= 1.0:
            self._share = min(1.0, MOST_CHECKED_PER_S / max(1, self._in_second))
            self._second, self._in_second = now, 0
            self._suspected = {one: until for one, until in self._suspected.items() if until > now}
        self._in_second += 1
        if node in self._suspected or self._chance() < self._share:
            return True
        metrics.NODES_UNCHECKED.inc()
        return False

    def _suspect(self, node: NodeId) -> None:
        if len(self._suspected) < MOST_SUSPECTED:
            self._suspected[node] = self._clock() + SUSPECT_S


def refused(why: Fault, subject: str, node: NodeId) -> None:
    """Count and say that something in the name of a node was not taken in."""
    metrics.NODES_REFUSED.labels(why).inc()
    log.warning("What was said in the name of a node is refused", node=node, why=why.value, subject=subject)
