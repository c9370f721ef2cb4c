"""A node that needs others is not ready before it has seen them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from rillcast.contracts.words import NodeKind
from rillcast.runtime.discovery.directory import NodeDirectory
from rillcast.runtime.process.readiness import Readiness

PATIENCE_S = 10.0
_LOOK_S = 0.02
_CONDITION = "nodes"


def expect(readiness: Readiness) -> None:
    """The readiness condition ``nodes`` does not hold until `meet` has returned."""
    readiness.set(_CONDITION, False, "nodes that take new work are not known yet")


async def meet(directory: NodeDirectory, needs: Collection[NodeKind], readiness: Readiness) -> None:
    """Keep the condition ``nodes`` until one node of each kind needed takes new work. After `PATIENCE_S` it holds
    anyhow: the clients of a cluster that lacks such nodes shall be told so."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while missing := [kind.value for kind in needs if not directory.placeable(kind)]:
                readiness.set(_CONDITION, False, f"no {' and no '.join(missing)} takes new work yet")
                await asyncio.sleep(_LOOK_S)
    readiness.set(_CONDITION, True)
