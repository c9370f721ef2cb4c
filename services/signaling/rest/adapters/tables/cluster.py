"""The nodes of the cluster, and its state in one answer."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import NODES_PATH, STATUS_PATH, STREAMS_PATH, ClusterStatus, NodeStatus, ServedStream
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import ADMIN, OPERATOR
from services.signaling.rest.domain.cluster_shapes import ClusterNode
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.usecases.cluster import Cluster

TABLE = Table(
    tag="cluster",
    about="The nodes of the cluster, its streams and viewers.",
    resource=Cluster,
    input="cluster",
    rows=(
        Endpoint(
            "GET",
            "/rest/v2/cluster-mode-status",
            OPERATOR,
            Cluster.mode,
            "Whether this server belongs to a cluster. It always does.",
            answer=Result,
        ),
        Endpoint(
            "GET",
            "/rest/v2/cluster/node-count",
            OPERATOR,
            Cluster.count_nodes,
            "How many nodes there are, those included that died within ten minutes.",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            "/rest/v2/cluster/nodes/{offset}/{size}",
            OPERATOR,
            Cluster.list_nodes,
            "The nodes, by id, those included that died within ten minutes.",
            answer=list[ClusterNode],
        ),
        Endpoint(
            "DELETE",
            "/rest/v2/cluster/node/{node}",
            ADMIN,
            Cluster.forget_node,
            "Takes a node that died out of this instance's list. One that is alive stays.",
            answer=Result,
        ),
        Endpoint(
            "PUT",
            "/rest/v2/cluster/node/{node}/note",
            ADMIN,
            Cluster.write_note,
            "Writes a note about a node, for all operators.",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
        Endpoint(
            "GET",
            NODES_PATH,
            OPERATOR,
            Cluster.nodes,
            "The nodes with their load, streams, viewers and places in the relay tree.",
            answer=list[NodeStatus],
        ),
        Endpoint(
            "GET",
            STREAMS_PATH,
            OPERATOR,
            Cluster.streams,
            "The streams that somebody publishes, with the nodes that carry them.",
            answer=list[ServedStream],
        ),
        Endpoint(
            "GET",
            STATUS_PATH,
            OPERATOR,
            Cluster.status,
            "Nodes with their load, streams, viewers and the license; what `rillcast status` shows.",
            answer=ClusterStatus,
        ),
    ),
)
