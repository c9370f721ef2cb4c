"""Shapes of calls about drains.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

import msgspec

from rillcast.contracts.words import DrainPhase, NodeKind


class DrainShare(msgspec.Struct, frozen=True, kw_only=True):
    """Of viewers, publishers, relays or jobs."""

    began: int = 0
    moved: int = 0
    left: int = 0
    cut: int = 0


class NodeDrain(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How far a node is with its drain."""

    success: bool = True
    message: str = ""
    node: str
    kind: NodeKind
    phase: DrainPhase
    deadline_s: float = 0.0
    left_s: float = 0.0
    ending: bool = False
    viewers: DrainShare = msgspec.field(default_factory=DrainShare)
    publishers: DrainShare = msgspec.field(default_factory=DrainShare)
    relays: DrainShare = msgspec.field(default_factory=DrainShare)
    jobs: DrainShare = msgspec.field(default_factory=DrainShare)
    cut: list[str] = msgspec.field(default_factory=list)
    obstacle: str = ""
