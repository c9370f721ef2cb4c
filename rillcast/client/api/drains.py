"""Calls about drains.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.drains import NodeDrain


class Drains:
    """Emptying a node: it takes nothing new, and what it has moves to other nodes until a deadline."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_drain(self, node: str) -> NodeDrain:
        """How far a node is with its drain.

        ``GET /rillcast/v1/nodes/{node}/drain``

        `node`: The node's id.
        """
        return self._ask(NodeDrain, "GET", f"/rillcast/v1/nodes/{part(node)}/drain")

    def begin_drain(self, node: str, *, deadline: int | None = None, now: bool | None = None) -> NodeDrain:
        """Begins a drain, gives it another deadline, or cuts it short. The answer does not wait for its end.

        ``POST /rillcast/v1/nodes/{node}/drain``

        `node`: The node's id.
        `deadline`: How long the drain may take, in seconds from now: 1 to 86400. Without it, what the node's settings
        say; while the node drains already, the deadline that it has.
        `now`: Wait no longer: whoever is still there is cut off.
        """
        query: Query = {"deadline": deadline, "now": now}
        return self._ask(NodeDrain, "POST", f"/rillcast/v1/nodes/{part(node)}/drain", query=query)

    def undo_drain(self, node: str) -> NodeDrain:
        """Takes a drain back: the node takes new work again. Who has gone does not come back.

        ``DELETE /rillcast/v1/nodes/{node}/drain``

        `node`: The node's id.
        """
        return self._ask(NodeDrain, "DELETE", f"/rillcast/v1/nodes/{part(node)}/drain")
