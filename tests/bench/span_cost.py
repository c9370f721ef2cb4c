"""What spans cost, in CPU time of this process:  python -m tests.bench.span_cost

Compares a process that makes ids of traces alone (`RILLCAST_TRACE_SPANS=0`) with one that keeps spans: for one span
with the attributes of a request, and for what signaling does of it in a join by WHEP. The least of many short turns
counts, so that other programs hardly matter. Asserts nothing.
"""

from __future__ import annotations

import asyncio
import time
import timeit
from collections.abc import Callable

from opentelemetry.trace import SpanKind

from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import Role, SessionState
from rillcast.runtime.bus import spans
from rillcast.runtime.telemetry.recorder import Recorder
from rillcast.runtime.telemetry.tracing import record_traces, tracer
from services.signaling.core.usecases.join_traces import JoinTraces

TURNS, IN_A_TURN = 40, 200
KEPT = 4_000
APP, STREAM, SESSION = AppName("live"), StreamId("s1"), SessionId("0" * 32)
TOLD = SessionChanged(session=SESSION, node=NodeId("edge-1"), state=SessionState.MEDIA)
ours = tracer("bench")


def ask() -> None:
    """The span of a request."""
    attributes = spans.request("rc.v1.edge.play.edge-1")
    with ours.start_as_current_span("request edge.play", kind=SpanKind.CLIENT, attributes=attributes):
        pass


def join(traces: JoinTraces) -> None:
    """What signaling does for the trace of a join."""
    traces.begin(SESSION, Role.PLAY, APP, STREAM, "whep")
    with traces.within(SESSION), traces.opening("signaling.play", Role.PLAY, SESSION, APP, STREAM):
        ask()
    traces.changed(TOLD)


def least_us(work: Callable[[], None]) -> float:
    """CPU microseconds of one call."""
    return min(timeit.repeat(work, timer=time.process_time, number=IN_A_TURN, repeat=TURNS)) / IN_A_TURN * 1e6


async def main() -> None:
    """Prints the figures."""
    traces = JoinTraces()
    for name, recorder in (("ids alone", None), ("spans", Recorder(KEPT))):
        record_traces(recorder)
        print(f"{name:10} one span {least_us(ask):5.1f} µs, a join {least_us(lambda: join(traces)):5.1f} µs")


if __name__ == "__main__":
    asyncio.run(main())
