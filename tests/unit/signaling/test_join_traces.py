"""The span of a join: from the client's message to the first media, ended whatever becomes of it, and bounded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import AppName, NodeId, SessionId, StreamId
from rillcast.contracts.messages import SessionChanged
from rillcast.contracts.words import EndReason, Role, SessionState
from rillcast.runtime.telemetry.tracing import tracer
from rillcast.testing.eventually import eventually
from rillcast.testing.spans import recorded_spans
from services.signaling.core.usecases import join_traces
from services.signaling.core.usecases.join_traces import LONGEST_S, MOVES_IN_ONE, REFUSED_PER_S, JoinTraces

APP, STREAM = AppName("live"), StreamId("s1")
EDGE = NodeId("edge-1")
ours = tracer("test")


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as spans:
        yield spans


def session(number: int = 1) -> SessionId:
    return SessionId(f"{number:032x}")


def told(exporter: InMemorySpanExporter) -> list[tuple[str, str]]:
    return [(span.name, span.status.description or "") for span in exporter.get_finished_spans()]


def changed(state: SessionState, reason: EndReason | None = None, number: int = 1) -> SessionChanged:
    return SessionChanged(session=session(number), node=EDGE, state=state, reason=reason)


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_a_join_ends_with_its_first_media_and_has_below_it_what_was_done_for_it(
    exporter: InMemorySpanExporter,
) -> None:
    traces = JoinTraces()
    traces.begin(session(), Role.PLAY, APP, STREAM, "whep")
    with traces.within(session()), ours.start_as_current_span("admission"):
        pass
    with traces.opening("signaling.play", Role.PLAY, session(), APP, STREAM):
        pass
    traces.changed(changed(SessionState.CONNECTED))
    assert named(exporter, "play") == []
    traces.changed(changed(SessionState.MEDIA))
    traces.over(session())
    (root,) = named(exporter, "play")
    assert root.parent is None
    assert (root.attributes or {})["rillcast.door"] == "whep"
    for name in ("admission", "signaling.play"):
        (part,) = named(exporter, name)
        assert part.parent is not None
        assert root.context is not None
        assert part.parent.span_id == root.context.span_id
    assert len(traces) == 0


async def test_a_join_that_fails_says_why(exporter: InMemorySpanExporter) -> None:
    traces = JoinTraces()
    for number in range(4):
        traces.begin(session(number), Role.PLAY, APP, STREAM, "websocket")
    traces.refused(session(0), "unauthorized_access")
    refusal = RillcastError(ErrorCode.NO_NODE_AVAILABLE, "none")
    with pytest.raises(RillcastError), traces.opening("signaling.play", Role.PLAY, session(1), APP, STREAM):
        raise refusal
    traces.changed(changed(SessionState.CLOSED, EndReason.ICE_TIMEOUT, 2))
    traces.over(session(3))
    assert [error for name, error in told(exporter) if name == "play"] == [
        "unauthorized_access",
        refusal.code.value,
        "ice_timeout",
        "left",
    ]
    assert len(traces) == 0


async def test_a_viewer_who_waits_leaves_nothing(exporter: InMemorySpanExporter) -> None:
    traces = JoinTraces()
    traces.begin(session(), Role.PLAY, APP, STREAM, "websocket")
    traces.drop(session())
    assert (told(exporter), len(traces)) == ([], 0)


async def test_a_refusal_by_a_node_says_why_also_when_the_session_is_over_before(
    exporter: InMemorySpanExporter,
) -> None:
    traces = JoinTraces()
    traces.begin(session(1), Role.PLAY, APP, STREAM, "whep")
    with pytest.raises(RillcastError), traces.opening("signaling.play", Role.PLAY, session(1), APP, STREAM):
        traces.over(session(1))
        raise RillcastError(ErrorCode.NO_STREAM_EXIST, "there is none")
    traces.begin(session(2), Role.PLAY, APP, STREAM, "whep")
    with traces.opening("signaling.play", Role.PLAY, session(2), APP, STREAM):
        traces.over(session(2))
    assert [said for name, said in told(exporter) if name == "play"] == ["no_stream_exist", "left"]
    assert len(traces) == 0


async def test_a_join_that_comes_to_nothing_ends_by_itself(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_traces, "SWEEP_S", 0.001)
    now = [0.0]
    traces = JoinTraces(lambda: now[0])
    traces.begin(session(1), Role.PUBLISH, APP, STREAM, "whip")
    now[0] = LONGEST_S / 2
    traces.begin(session(2), Role.PUBLISH, APP, STREAM, "whip")
    now[0] = LONGEST_S
    await eventually(lambda: len(traces) < 2, 10, "the end of the first join", every_s=0.001)
    assert told(exporter) == [("publish", "timeout")]
    now[0] = 2 * LONGEST_S
    await eventually(lambda: not len(traces), 10, "the end of the second join", every_s=0.001)


async def test_moves_belong_to_what_caused_them_up_to_a_number_and_then_are_linked_with_it(
    exporter: InMemorySpanExporter,
) -> None:
    traces = JoinTraces()
    with ours.start_as_current_span("signaling.node_gone") as cause:
        for number in range(MOVES_IN_ONE + 2):
            with traces.opening("signaling.play", Role.PLAY, session(number), APP, STREAM):
                pass
    for number in range(MOVES_IN_ONE + 2):
        traces.changed(changed(SessionState.MEDIA, number=number))
    trace_id = cause.get_span_context().trace_id
    moves = named(exporter, "move play")
    assert len(moves) == MOVES_IN_ONE + 2
    within = [move for move in moves if move.context and move.context.trace_id == trace_id]
    beside = [move for move in moves if move not in within]
    assert len(within) == MOVES_IN_ONE
    assert [move.parent for move in beside] == [None, None]
    assert {move.links[0].context.trace_id for move in beside} == {trace_id}


async def test_a_flood_of_refusals_leaves_so_many_spans_in_a_second(exporter: InMemorySpanExporter) -> None:
    traces = JoinTraces(lambda: 0.0)
    for number in range(5 * REFUSED_PER_S):
        traces.begin(session(number), Role.PLAY, APP, STREAM, "whep")
        traces.refused(session(number), "unauthorized_access")
    assert len(told(exporter)) == REFUSED_PER_S
    assert len(traces) == 0


async def test_joins_under_way_have_a_bound(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_traces, "MOST_OPEN", 3)
    traces = JoinTraces()
    for number in range(9):
        traces.begin(session(number), Role.PLAY, APP, STREAM, "whep")
    assert len(traces) == 3
    with traces.opening("signaling.play", Role.PLAY, session(8), APP, STREAM):
        pass
    traces.changed(changed(SessionState.MEDIA, number=8))
    assert told(exporter) == [("signaling.play", "")]
