"""The nodes of the cluster, and its state in one answer."""

from __future__ import annotations

from rillcast.contracts.status import ClusterStatus, NodeStatus, ServedStream
from services.signaling.core.domain.result import Result
from services.signaling.core.ports import Audience
from services.signaling.core.usecases.server_store import ServerStore
from services.signaling.rest.domain import shapes
from services.signaling.rest.domain.cluster_shapes import (
    ClusterNode,
    carriers,
    cluster_node,
    described,
    node_status,
    served_stream,
)
from services.signaling.rest.domain.paging import MAX_LIST, page
from services.signaling.rest.domain.parameters import InApp, Node, NoteText, Offset, OurOffset, OurSize, Size
from services.signaling.rest.domain.shapes import SimpleStat
from services.signaling.rest.ports import Licenses, Nodes, PublishedStreams
from services.signaling.rest.usecases.node_book import NodeBook

MOST_NOTE = 500
IN_CLUSTER = Result(success=True)
NOTE_TOO_LONG = Result(success=False, message=f"a note has at most {MOST_NOTE} characters")


class Cluster:
    """One per signaling instance."""

    def __init__(
        self,
        version: str,
        nodes: Nodes,
        streams: PublishedStreams,
        audience: Audience,
        licenses: Licenses,
        *,
        book: NodeBook,
        servers: ServerStore,
    ) -> None:
        self._version = version
        self._nodes = nodes
        self._streams = streams
        self._audience = audience
        self._licenses = licenses
        self._book = book
        self._servers = servers

    async def mode(self) -> Result:
        """Whether this server belongs to a cluster. It always does."""
        return IN_CLUSTER

    async def list_nodes(self, offset: Offset, size: Size) -> list[ClusterNode]:
        """One page of the nodes, in the order of their ids, those included that died lately."""
        booked = page(self._book.all(), offset, size)
        return [cluster_node(one, self._servers.note(one.report.info.node)) for one in booked]

    async def count_nodes(self) -> SimpleStat:
        """How many nodes of all kinds there are in the list."""
        return SimpleStat(number=len(self._book.all()))

    async def forget_node(self, node: Node) -> Result:
        """Take a node that died out of the list."""
        found = self._book.get(node)
        if found is None:
            return _no_node(node)
        if not self._book.forget(node):
            words = f"{node} is alive; empty it with POST /rillcast/v1/nodes/{node}/drain, then end its process"
            return Result(success=False, message=words)
        return Result(success=True)

    async def write_note(self, node: Node, note: NoteText = "") -> Result:
        """Write something about a node, for all operators. Raises `RillcastError`."""
        note, found = note.strip(), self._book.get(node)
        if found is None:
            return _no_node(node)
        if len(note) > MOST_NOTE:
            return NOTE_TOO_LONG
        if note == described(found):  # it was shown in place of a note, and is sent back by a form
            note = ""
        await self._servers.write_note(node, note, {one.report.info.node for one in self._book.all()})
        return Result(success=True)

    async def nodes(self) -> list[NodeStatus]:
        """Every node with its load, what it carries and its place in the relay tree."""
        return [node_status(one, self._servers.note(one.report.info.node)) for one in self._book.all()]

    async def streams(self, app: InApp = "", offset: OurOffset = 0, size: OurSize = MAX_LIST) -> list[ServedStream]:
        """One page of the streams that somebody publishes, by app and id, with the nodes that carry them."""
        by = carriers(self._nodes.all())
        found = sorted(
            (live for live in self._streams.all() if app in ("", live.app)), key=lambda live: (live.app, live.stream)
        )
        return [
            served_stream(shapes.stream_status(live, self._audience.viewers(live.app, live.stream)), by)
            for live in page(found, offset, size)
        ]

    async def status(self) -> ClusterStatus:
        """The nodes, the streams, the viewers and the license, as this instance sees them now."""
        streams = [
            shapes.stream_status(live, self._audience.viewers(live.app, live.stream)) for live in self._streams.all()
        ]
        return shapes.status(self._version, self._nodes.all(), streams, self._licenses.status)


def _no_node(node: Node) -> Result:
    return Result(success=False, message=f"there is no node {node}")
