"""The nodes of the cluster, and its state in one answer."""

from __future__ import annotations

from rillcast.contracts.status import STATUS_PATH, ClusterStatus
from services.signaling.rest.adapters.endpoint import Endpoint, Table
from services.signaling.rest.adapters.tables.guards import OPERATOR
from services.signaling.rest.domain.shapes import ClusterNode, SimpleStat
from services.signaling.rest.usecases.cluster import Cluster

TABLE = Table(
    tag="cluster",
    about="The nodes of the cluster, its streams and viewers.",
    resource=Cluster,
    input="cluster",
    rows=(
        Endpoint(
            "GET",
            "/rest/v2/cluster/node-count",
            OPERATOR,
            Cluster.count_nodes,
            "How many nodes there are.",
            answer=SimpleStat,
        ),
        Endpoint(
            "GET",
            "/rest/v2/cluster/nodes/{offset}/{size}",
            OPERATOR,
            Cluster.list_nodes,
            "The nodes, by id.",
            answer=list[ClusterNode],
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
