"""The nodes of the cluster, and its state in one answer."""

from __future__ import annotations

from rillcast.contracts.errors import ErrorCode
from rillcast.contracts.status import NODES_PATH, STATUS_PATH, STREAMS_PATH, ClusterStatus, NodeStatus, ServedStream
from services.signaling.core.domain.result import Result
from services.signaling.rest.adapters.endpoint import Endpoint, Link, Table
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
            name="get_cluster_mode",
            answer=Result,
        ),
        Endpoint(
            "GET",
            "/rest/v2/cluster/node-count",
            OPERATOR,
            Cluster.count_nodes,
            "How many nodes there are, those included that died within ten minutes.",
            name="count_nodes",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            "/rest/v2/cluster/nodes/{offset}/{size}",
            OPERATOR,
            Cluster.list_nodes,
            "The nodes, by id, those included that died within ten minutes.",
            name="list_cluster_nodes",
            answer=list[ClusterNode],
        ),
        Endpoint(
            "DELETE",
            "/rest/v2/cluster/node/{node}",
            ADMIN,
            Cluster.forget_node,
            "Takes a node that died out of this instance's list. One that is alive stays.",
            name="forget_node",
            answer=Result,
            example={"node": "edge-9"},
        ),
        Endpoint(
            "PUT",
            "/rest/v2/cluster/node/{node}/note",
            ADMIN,
            Cluster.write_note,
            "Writes a note about a node, for all operators.",
            name="write_node_note",
            answer=Result,
            errors=(ErrorCode.STORE_UNAVAILABLE, ErrorCode.HIGH_RESOURCE_USAGE),
        ),
        Endpoint(
            "GET",
            NODES_PATH,
            OPERATOR,
            Cluster.nodes,
            "The nodes with their load, streams, viewers and places in the relay tree.",
            name="list_nodes",
            answer=list[NodeStatus],
            links=(
                Link("get_drain", {"node": "$response.body#/0/node"}),
                Link("write_node_note", {"node": "$response.body#/0/node"}),
            ),
        ),
        Endpoint(
            "GET",
            STREAMS_PATH,
            OPERATOR,
            Cluster.streams,
            "The streams that somebody publishes, with the nodes that carry them.",
            name="list_streams",
            answer=list[ServedStream],
        ),
        Endpoint(
            "GET",
            STATUS_PATH,
            OPERATOR,
            Cluster.status,
            "Nodes with their load, streams, viewers and the license; what `rillcast status` shows.",
            name="get_status",
            answer=ClusterStatus,
        ),
    ),
)
