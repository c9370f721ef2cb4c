"""The nodes of the cluster, and its state in one answer."""

from __future__ import annotations

from rillcast.contracts.status import ClusterStatus
from services.signaling.core.ports import Audience
from services.signaling.rest.domain import shapes
from services.signaling.rest.domain.paging import page
from services.signaling.rest.domain.parameters import Offset, Size
from services.signaling.rest.domain.shapes import ClusterNode, SimpleStat
from services.signaling.rest.ports import Licenses, Nodes, PublishedStreams


class Cluster:
    """One per signaling instance."""

    def __init__(
        self, version: str, nodes: Nodes, streams: PublishedStreams, audience: Audience, licenses: Licenses
    ) -> None:
        self._version = version
        self._nodes = nodes
        self._streams = streams
        self._audience = audience
        self._licenses = licenses

    async def list_nodes(self, offset: Offset, size: Size) -> list[ClusterNode]:
        """One page of the nodes, in the order of their ids."""
        reports = sorted(self._nodes.all(), key=lambda report: report.info.node)
        return [shapes.cluster_node(report) for report in page(reports, offset, size)]

    async def count_nodes(self) -> SimpleStat:
        """How many nodes of all kinds are heard of."""
        return SimpleStat(number=len(self._nodes.all()))

    async def status(self) -> ClusterStatus:
        """The nodes, the streams, the viewers and the license, as this instance sees them now."""
        streams = [
            shapes.stream_status(live, self._audience.viewers(live.app, live.stream)) for live in self._streams.all()
        ]
        return shapes.status(self._version, self._nodes.all(), streams, self._licenses.status)
