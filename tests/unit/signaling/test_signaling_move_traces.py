"""What the end of a node leaves in the traces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.contracts.ids import NodeId
from rillcast.node.background import BackgroundTasks
from rillcast.runtime.telemetry.tracing import tracer
from rillcast.testing.spans import recorded_spans
from services.signaling.websocket.domain.socket_end import SocketEnd
from services.signaling.websocket.usecases.open_sockets import OpenSockets


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as spans:
        yield spans


class Moving:
    """A socket whose session is moved in a task of its own, as `SocketSessions` does."""

    def __init__(self, tasks: BackgroundTasks) -> None:
        self.tasks = tasks
        self.idle = self.sessionless = False

    def send(self, frame: str) -> None:
        raise NotImplementedError

    def close(self, why: SocketEnd) -> None:
        raise NotImplementedError

    def uses(self, node: NodeId) -> bool:
        return node == "edge-1"

    def node_gone(self, node: NodeId, since: float) -> None:
        self.tasks.start(self._move(), "move")

    @staticmethod
    async def _move() -> None:
        with tracer("test").start_as_current_span("signaling.play"):
            pass


async def test_all_moves_away_from_a_node_are_one_trace(exporter: InMemorySpanExporter) -> None:
    tasks = BackgroundTasks()
    sockets = OpenSockets(tasks, drain_timeout_s=1.0)
    for _ in range(3):
        sockets.add(Moving(tasks))

    sockets.node_gone(NodeId("edge-1"))
    sockets.node_gone(NodeId("edge-2"))
    await tasks.settle()

    spans = exporter.get_finished_spans()
    (gone,) = (span for span in spans if span.name == "signaling.node_gone")
    assert gone.attributes == {"rillcast.node": "edge-1", "rillcast.moved": 3}
    moves = [span for span in spans if span.name == "signaling.play"]
    assert [span.parent and span.parent.span_id for span in moves] == [gone.context.span_id] * 3
