"""Calls about cluster.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.asking import Asking, Query, part
from rillcast.client.shapes.cluster import ClusterNode
from rillcast.client.shapes.common import Result, SimpleStat
from rillcast.contracts.status import ClusterStatus, NodeStatus, ServedStream


class Cluster:
    """The nodes of the cluster, its streams and viewers."""

    def __init__(self, ask: Asking) -> None:
        self._ask = ask

    def get_cluster_mode(self) -> Result:
        """Whether this server belongs to a cluster. It always does.

        ``GET /rest/v2/cluster-mode-status``
        """
        return self._ask(Result, "GET", "/rest/v2/cluster-mode-status")

    def count_nodes(self) -> SimpleStat:
        """How many nodes there are, those included that died within ten minutes.

        ``GET /rest/v2/cluster/node-count``
        """
        return self._ask(SimpleStat, "GET", "/rest/v2/cluster/node-count")

    def list_cluster_nodes(self, offset: int, size: int) -> list[ClusterNode]:
        """The nodes, by id, those included that died within ten minutes.

        ``GET /rest/v2/cluster/nodes/{offset}/{size}``

        `offset`: How many to pass over. Less than 0 counts as 0.
        `size`: How many at most. Less than 0 counts as 0, more than 250 as 250.
        """
        return self._ask(list[ClusterNode], "GET", f"/rest/v2/cluster/nodes/{part(offset)}/{part(size)}")

    def forget_node(self, node: str) -> Result:
        """Takes a node that died out of this instance's list. One that is alive stays.

        ``DELETE /rest/v2/cluster/node/{node}``

        `node`: The node's id.
        """
        return self._ask(Result, "DELETE", f"/rest/v2/cluster/node/{part(node)}")

    def write_node_note(self, node: str, *, note: str | None = None) -> Result:
        """Writes a note about a node, for all operators.

        ``PUT /rest/v2/cluster/node/{node}/note``

        `node`: The node's id.
        `note`: The note, of at most 500 characters; empty takes it away.
        """
        query: Query = {"note": note}
        return self._ask(Result, "PUT", f"/rest/v2/cluster/node/{part(node)}/note", query=query)

    def list_nodes(self) -> list[NodeStatus]:
        """The nodes with their load, streams, viewers and places in the relay tree.

        ``GET /rillcast/v1/nodes``
        """
        return self._ask(list[NodeStatus], "GET", "/rillcast/v1/nodes")

    def list_streams(
        self, *, app: str | None = None, offset: int | None = None, size: int | None = None
    ) -> list[ServedStream]:
        """The streams that somebody publishes, with the nodes that carry them.

        ``GET /rillcast/v1/streams``

        `app`: Only those of this app.
        `offset`: How many to pass over.
        `size`: How many at most.
        """
        query: Query = {"app": app, "offset": offset, "size": size}
        return self._ask(list[ServedStream], "GET", "/rillcast/v1/streams", query=query)

    def get_status(self) -> ClusterStatus:
        """Nodes with their load, streams, viewers and the license; what `rillcast status` shows.

        ``GET /rillcast/v1/status``
        """
        return self._ask(ClusterStatus, "GET", "/rillcast/v1/status")
