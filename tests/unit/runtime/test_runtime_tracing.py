"""Traces while nothing records them: ids for log lines and for the other nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import extract as extract_as_sdk
from opentelemetry.propagate import inject as inject_as_sdk
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.runtime.telemetry.recorder import Recorder
from rillcast.runtime.telemetry.tracing import extract, inject, record_traces, tracer
from rillcast.testing.confidences import overheard

KNOWN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ours = tracer("test")


@pytest.fixture(autouse=True)
def nothing_recorded() -> Iterator[None]:
    record_traces(None)
    yield
    record_traces(None)


def current(context: Context | None = None) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


def test_what_happens_inside_belongs_to_the_same_trace() -> None:
    with ours.start_as_current_span("outer") as outer, ours.start_as_current_span("inner", attributes={"a": 1}):
        assert outer.get_span_context().is_valid
        assert not outer.is_recording()
        assert current().trace_id == outer.get_span_context().trace_id
        assert ours.start_span("a span of its own").get_span_context().trace_id == current().trace_id
    assert not current().is_valid


def test_two_traces_have_different_ids() -> None:
    with ours.start_as_current_span("first") as first:
        pass
    with ours.start_as_current_span("second") as second:
        pass
    assert first.get_span_context().trace_id != second.get_span_context().trace_id


def test_a_trace_ends_also_where_something_was_raised() -> None:
    with pytest.raises(ValueError, match="inside"), ours.start_as_current_span("outer"):
        raise ValueError("inside")
    assert not current().is_valid


def test_the_trace_of_another_node_goes_on_here_and_from_here() -> None:
    headers: dict[str, str] = {}
    with ours.start_as_current_span("serve", context=extract({"traceparent": KNOWN})):
        inject(headers)
    assert headers == {"traceparent": KNOWN}
    assert not current().is_valid


def test_nodes_that_record_and_nodes_that_do_not_understand_each_other() -> None:
    ours_written: dict[str, str] = {}
    with ours.start_as_current_span("asks") as asking:
        inject(ours_written)
    assert current(extract_as_sdk(ours_written)).trace_id == asking.get_span_context().trace_id

    sdk_written: dict[str, str] = {}
    with TracerProvider().get_tracer("sdk").start_as_current_span("asks") as asking:
        inject_as_sdk(sdk_written)
    assert current(extract(sdk_written)).trace_id == asking.get_span_context().trace_id


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        KNOWN.upper(),
        KNOWN + "-more",
        "ff" + KNOWN[2:],
        "00-" + "0" * 32 + KNOWN[35:],
        KNOWN[:36] + "0" * 16 + "-01",
    ],
)
def test_what_is_no_trace_begins_a_new_one(header: str) -> None:
    with ours.start_as_current_span("serve", context=extract({"traceparent": header})) as span:
        assert span.get_span_context().is_valid
        assert span.get_span_context().trace_id not in (0, int(KNOWN[3:35], 16))


def test_nothing_is_written_outside_of_a_trace() -> None:
    headers: dict[str, str] = {}
    inject(headers)
    assert headers == {}
    assert not current(extract(None)).is_valid


def test_a_tracer_made_before_records_as_soon_as_traces_are_recorded() -> None:
    record_traces(Recorder(10))
    with ours.start_as_current_span("now") as span:
        assert span.is_recording()
    record_traces(None)
    with ours.start_as_current_span("no longer") as span:
        assert not span.is_recording()


@pytest.mark.parametrize(
    ("raised", "noted"),
    [
        (RillcastError(ErrorCode.BAD_REMOTE_DESCRIPTION, "a=setup:'SECRET'"), "notSetRemoteDescription"),
        (ValueError("SECRET"), "ValueError"),
    ],
)
def test_a_recorded_span_has_the_code_of_what_ended_it_and_no_text(raised: Exception, noted: str) -> None:
    with overheard() as told:
        with pytest.raises(type(raised)), ours.start_as_current_span("outer"), ours.start_as_current_span("inner"):
            raise raised
        with pytest.raises(type(raised)), ours.start_span("by hand"):
            raise raised
    spans = told.exporter.get_finished_spans()
    assert [(span.name, span.status.description) for span in spans][:2] == [("inner", noted), ("outer", noted)]
    assert "SECRET" not in told.spans
    assert "Traceback" not in told.spans


def test_every_span_comes_from_the_tracer_that_writes_no_text() -> None:
    """Nobody makes a tracer of the SDK, or writes an exception into a span by hand."""
    root = Path(__file__).parents[3]
    for file in sorted([*root.glob("rillcast/**/*.py"), *root.glob("services/**/*.py")]):
        text = file.read_text()
        named = {word for word in ("get_tracer(", "record_exception(", "use_span(", "tracer_provider") if word in text}
        makes = file.parent.name == "telemetry" and file.name in {"tracing.py", "unrecorded.py", "recorder.py"}
        assert not named or makes, f"{file}: {named}"
