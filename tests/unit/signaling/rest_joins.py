"""What the recorded answers have of joins and events."""

from __future__ import annotations

from typing import Any, Protocol

from rillcast.contracts.event_records import ClusterEvent, EventKind, SessionFate, SessionMove
from rillcast.contracts.words import Role
from tests.unit.signaling.signaling_harness import Cluster


class Asks(Protocol):
    """Asks, and keeps what was answered."""

    async def ask(self, method: str, path: str, note: str = "", **options: Any) -> object: ...


FATE = SessionFate(
    id="signaling-1/x/1",
    role=Role.PLAY,
    who="ada",
    address="192.0.2.7",
    instance="signaling-0/x",
    asked_ms=1_000,
    opened_ms=1_010,
    connected_ms=1_130,
    media_ms=1_150,
)
MOVED = SessionFate(
    id="signaling-1/x/2",
    role=Role.PUBLISH,
    asked_ms=2_000,
    connected_ms=2_100,
    ended_ms=9_000,
    reason="socket_closed",
    moves=1,
    trail=(SessionMove(at_ms=5_000, left="origin-0", why="node_gone", node="origin-1", back_ms=6_240),),
)
REFUSED = SessionFate(id="signaling-1/x/3", role=Role.PLAY, asked_ms=3_000, ended_ms=3_000, reason="no_stream_exist")


async def joins(http: Asks, c: Cluster) -> None:
    """The list of joins, and what listeners to events are refused."""
    happens = c.service.core.happens
    where: dict[str, Any] = {"at_ms": 1, "app": "live", "stream": "s1"}
    for event in (
        ClusterEvent(kind=EventKind.VIEWER_JOINED, node="edge-1", zone="eu-1a", session=FATE, **where),
        ClusterEvent(kind=EventKind.PUBLISHER_LEFT, node="origin-1", session=MOVED, **where),
        ClusterEvent(kind=EventKind.JOIN_REFUSED, session=REFUSED, **where),
    ):
        happens.chronicle.note(event)
    await c.sees(lambda: len(happens.history) == 3)
    queries = ("", "?stream=none", "?state=lost", "?state=asleep", "?node=origin-0", "?reason=no_stream_exist")
    for query in (*queries, "?since=4000&until=8000", "?since=a", "?offset=1&size=1", "?role=publish", "?who=ada"):
        await http.ask("GET", f"/rillcast/v1/sessions{query}", "joins")
    await http.ask("GET", "/rillcast/v1/events", "no id", headers={"Last-Event-ID": "x"})
    await http.ask("GET", "/rillcast/v1/events?kind=x", "no such parameter")
    await http.ask("POST", "/rillcast/v1/events", "it is only read")
