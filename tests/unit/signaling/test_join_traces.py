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
from rillcast.runtime.telemetry.recorder import Recorder
from rillcast.runtime.telemetry.span_store import in_order
from rillcast.runtime.telemetry.tracing import record_traces, tracer
from rillcast.testing.eventually import eventually
from rillcast.testing.spans import recorded_spans
from services.signaling import metrics
from services.signaling.core.usecases import join_traces
from services.signaling.core.usecases.join_traces import (
    FRAME_WITHIN_S,
    LONGEST_S,
    MOVES_IN_ONE,
    REFUSED_PER_S,
    SLACK_S,
    UNTIL,
    JoinTraces,
)

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
    assert ((root.attributes or {})["rillcast.door"], (root.attributes or {})[UNTIL]) == ("whep", "first_packet")
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


class Viewer:
    """A join by WebSocket that asks at 0 s, answers at 1 s, and is sent its first packet at 2 s."""

    def __init__(self, exporter: InMemorySpanExporter, *, tells: bool = True) -> None:
        self.now, self._exporter = 0.0, exporter
        self.traces = JoinTraces(lambda: self.now)
        self.traces.begin(session(), Role.PLAY, APP, STREAM, "websocket")
        self.now = 1.0
        self.traces.answered(session(), tells_first_frame=tells)
        self.now = 2.0

    def flows(self) -> None:
        self.traces.changed(changed(SessionState.MEDIA))

    def shown(self, after_s: float, at_s: float) -> None:
        self.now = at_s
        self.traces.shown(session(), after_s)

    def took(self, name: str) -> float:
        """Seconds."""
        (span,) = named(self._exporter, name)
        assert span.start_time is not None
        assert span.end_time is not None
        return round((span.end_time - span.start_time) / 1e9, 2)

    @property
    def until(self) -> object:
        (root,) = named(self._exporter, "play")
        return (root.attributes or {})[UNTIL]


def first_frames(outcome: str) -> float:
    value: float = metrics.FIRST_FRAMES.labels(outcome)._value.get()
    return value


async def test_a_join_ends_with_the_picture_that_its_client_tells_of(exporter: InMemorySpanExporter) -> None:
    viewer, told_before = Viewer(exporter), first_frames("told")
    viewer.flows()
    assert named(exporter, "play") == []
    viewer.shown(2.5, at_s=2.6)
    assert (viewer.until, viewer.took("play"), viewer.took("client.first_frame")) == ("first_frame", 2.5, 0.5)
    (root,), (picture,) = named(exporter, "play"), named(exporter, "client.first_frame")
    assert picture.parent is not None
    assert root.context is not None
    assert picture.parent.span_id == root.context.span_id
    assert (picture.attributes or {}) == {"rillcast.first_frame_ms": 2_500}
    assert (len(viewer.traces), first_frames("told") - told_before) == (0, 1)


async def test_for_how_long_the_client_has_not_answered_is_a_part_of_its_own(exporter: InMemorySpanExporter) -> None:
    now = [0.0]
    traces = JoinTraces(lambda: now[0])
    with traces.opening("signaling.play", Role.PLAY, session(), APP, STREAM):
        now[0] = 1.0
    now[0] = 3.5
    traces.answered(session(), tells_first_frame=False)
    traces.answered(session(), tells_first_frame=False)
    (answer,) = named(exporter, "client.answer")
    assert answer.start_time is not None
    assert answer.end_time is not None
    assert (answer.end_time - answer.start_time) / 1e9 == pytest.approx(2.5)
    traces.drop(session())


async def test_a_picture_that_is_told_before_the_edge_has_told_of_its_packet_waits_for_that(
    exporter: InMemorySpanExporter,
) -> None:
    viewer = Viewer(exporter)
    viewer.shown(2.0, at_s=2.1)
    assert named(exporter, "play") == []
    viewer.now = 3.0
    viewer.flows()
    assert (viewer.until, viewer.took("play"), viewer.took("client.first_frame")) == ("first_frame", 2.0, 0.0)


@pytest.mark.parametrize(
    ("said_s", "ends_s", "outcome"),
    [
        (10.0 * 3_600, 4.0, "corrected"),
        (1e9, 4.0, "corrected"),
        (4.0 + SLACK_S / 2, 4.0, "told"),
        (0.0, 1.0, "told"),
        (3.0, 3.0, "told"),
    ],
)
async def test_a_time_that_cannot_be_is_brought_to_what_can_and_counted(
    exporter: InMemorySpanExporter, said_s: float, ends_s: float, outcome: str
) -> None:
    viewer, before = Viewer(exporter), first_frames(outcome)
    viewer.flows()
    viewer.shown(said_s, at_s=4.0)
    assert (viewer.until, viewer.took("play")) == ("first_frame", ends_s)
    assert first_frames(outcome) - before == 1
    (picture,) = named(exporter, "client.first_frame")
    assert (picture.attributes or {}).get("rillcast.corrected", False) is (outcome == "corrected")


async def test_a_picture_before_the_answer_is_corrected(exporter: InMemorySpanExporter) -> None:
    viewer = Viewer(exporter)
    viewer.now = 5.0
    viewer.traces.answered(session(), tells_first_frame=True)
    viewer.flows()
    viewer.shown(0.1, at_s=6.0)
    assert viewer.took("play") == 5.0


async def test_who_only_says_that_he_will_tell_keeps_no_join_open_and_it_ends_with_the_first_packet(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_traces, "SWEEP_S", 0.001)
    viewer, before = Viewer(exporter), first_frames("missing")
    viewer.flows()
    viewer.now = 2.0 + FRAME_WITHIN_S
    await eventually(lambda: not len(viewer.traces), 10, "the end of the join", every_s=0.001)
    assert (viewer.until, viewer.took("play"), first_frames("missing") - before) == ("first_packet", 2.0, 1)
    assert told(exporter) == [("play", "")]


@pytest.mark.parametrize("ends", ["closed", "over"])
async def test_who_leaves_between_the_first_packet_and_the_picture_has_joined(
    exporter: InMemorySpanExporter, ends: str
) -> None:
    viewer = Viewer(exporter)
    viewer.flows()
    viewer.now = 2.5
    if ends == "closed":
        viewer.traces.changed(changed(SessionState.CLOSED, EndReason.STOPPED))
    else:
        viewer.traces.over(session())
    assert (viewer.until, viewer.took("play"), told(exporter)) == ("first_packet", 2.0, [("play", "")])


async def test_a_picture_that_is_claimed_makes_no_success_of_a_join_that_failed(exporter: InMemorySpanExporter) -> None:
    viewer = Viewer(exporter)
    viewer.shown(1.5, at_s=2.0)
    viewer.traces.changed(changed(SessionState.CLOSED, EndReason.ICE_TIMEOUT))
    assert told(exporter) == [("play", "ice_timeout")]


async def test_a_picture_that_nobody_waits_for_is_counted(exporter: InMemorySpanExporter) -> None:
    viewer, before = Viewer(exporter, tells=False), first_frames("unexpected")
    viewer.shown(2.0, at_s=2.0)
    viewer.flows()
    viewer.shown(2.0, at_s=2.5)
    again = Viewer(exporter)
    again.shown(2.0, at_s=2.0)
    again.shown(1.0, at_s=2.1)
    assert first_frames("unexpected") - before == 3
    assert viewer.until == "first_packet"


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


async def test_of_a_refused_join_that_is_dropped_nothing_is_left_and_nothing_comes() -> None:
    recorder = Recorder(1_000)
    record_traces(recorder)
    try:
        traces = JoinTraces(lambda: 0.0)
        for number in range(5 * REFUSED_PER_S):
            traces.begin(session(number), Role.PLAY, APP, STREAM, "whep")
            with traces.within(session(number)):
                with ours.start_as_current_span("POST"):
                    pass
                late = ours.start_span("request edge.close")
            traces.refused(session(number), "unauthorized_access")
            late.end()
        spans = in_order(recorder.store.traces())
    finally:
        record_traces(None)
    assert {span.trace for span in spans} == {span.trace for span in spans if span.name == "play"}
    assert len(spans) == 3 * REFUSED_PER_S


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
