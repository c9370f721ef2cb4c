"""Traces that are recorded nowhere have ids all the same, which go on to other nodes and end with their block."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from rillcast.runtime.telemetry.unrecorded import TRACE_HEADER, UnrecordedTraces, read_parent, write_parent

TRACER = UnrecordedTraces().get_tracer("test")
PARENT = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
WRITTEN = f"00-{0xABC:032x}-{0xDEF:016x}-01"


def current() -> SpanContext:
    return trace.get_current_span().get_span_context()


def under(parent: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def test_a_block_outside_of_a_trace_begins_one_and_ends_it() -> None:
    with TRACER.start_as_current_span("a") as first:
        assert first.get_span_context() == current()
        assert current().is_valid
        assert not first.is_recording()
    assert not current().is_valid
    with TRACER.start_as_current_span("b"):
        assert current().trace_id != first.get_span_context().trace_id


def test_a_block_inside_of_a_trace_leaves_it_as_it_is() -> None:
    with TRACER.start_as_current_span("outer"):
        outer = current()
        with TRACER.start_as_current_span("inner") as inner:
            assert inner.get_span_context() == current() == outer
        assert current() == outer


def test_a_block_in_the_trace_of_another_node_is_of_that_trace() -> None:
    with TRACER.start_as_current_span("a", under(PARENT)):
        assert current() == PARENT
    assert not current().is_valid


def test_a_block_that_fails_ends_its_trace_too() -> None:
    with pytest.raises(KeyError), TRACER.start_as_current_span("a"):
        raise KeyError
    assert not current().is_valid


def test_a_span_that_is_not_made_current_is_that_of_its_context_or_a_new_one() -> None:
    assert TRACER.start_span("a", under(PARENT)).get_span_context() == PARENT
    alone = TRACER.start_span("a", Context()).get_span_context()
    assert alone.is_valid
    assert alone.trace_id != PARENT.trace_id
    assert not current().is_valid


def test_outside_of_a_trace_no_header_is_written() -> None:
    headers: dict[str, str] = {}
    write_parent(headers)
    assert headers == {}


def test_what_one_node_writes_another_reads() -> None:
    headers: dict[str, str] = {"other": "kept"}
    with TRACER.start_as_current_span("a", under(PARENT)):
        write_parent(headers)
    assert headers == {"other": "kept", TRACE_HEADER: WRITTEN}

    read = trace.get_current_span(read_parent(headers)).get_span_context()

    assert (read.trace_id, read.span_id, read.trace_flags) == (0xABC, 0xDEF, 1)
    assert read.is_remote


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        WRITTEN[:-1],
        WRITTEN + "-more",
        WRITTEN + "\n",
        WRITTEN.upper(),
        "01" + WRITTEN[2:],
        WRITTEN.replace("-", "_"),
        f"00-{0:032x}-{0xDEF:016x}-01",
        f"00-{0xABC:032x}-{0:016x}-01",
    ],
)
def test_a_header_of_another_form_is_no_trace(header: str) -> None:
    context = read_parent({TRACE_HEADER: header})
    assert not trace.get_current_span(context).get_span_context().is_valid
    with TRACER.start_as_current_span("a", context):
        assert current().is_valid


def test_without_a_header_there_is_no_trace() -> None:
    assert read_parent({}) == Context()
