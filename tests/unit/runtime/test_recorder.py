"""Spans of this process: bounded, followed across nodes, and of failed traces nothing that is here is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.trace import Link, SpanKind, StatusCode

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.messages import FinishedSpan, TracesRequest
from rillcast.contracts.messages.traces import MOST_ATTRIBUTES, MOST_TRACES, SpanRole
from rillcast.runtime.telemetry.kept_spans import found
from rillcast.runtime.telemetry.recorder import KEEPS_PER_S, MOST_KEPT, MOST_TEXT, Recorder
from rillcast.runtime.telemetry.span_store import in_order
from rillcast.runtime.telemetry.tracing import extract, inject, record_traces, tracer

HERE = NodeId("edge-1")
ours = tracer("test")


@pytest.fixture(autouse=True)
def recorded_no_more() -> Iterator[None]:
    yield
    record_traces(None)


def recording(most: int = 100, **named: object) -> tuple[Recorder, list[FinishedSpan]]:
    sent: list[FinishedSpan] = []
    recorder = Recorder(most, sink=sent.append, **named)  # type: ignore[arg-type]
    record_traces(recorder)
    return recorder, sent


def names(spans: list[FinishedSpan]) -> list[str]:
    return [span.name for span in spans]


def kept(recorder: Recorder) -> list[FinishedSpan]:
    return in_order(recorder.store.traces())


def fail(name: str) -> None:
    with pytest.raises(RillcastError), ours.start_as_current_span(name):
        raise RillcastError(ErrorCode.NO_NODE_AVAILABLE, "SECRET")


def test_a_span_knows_its_parent_its_trace_and_how_long_it_took() -> None:
    recorder, _ = recording()
    with ours.start_as_current_span("outer"), ours.start_as_current_span("inner", kind=SpanKind.CLIENT):
        pass
    inner, outer = kept(recorder)
    assert (inner.trace, inner.parent, inner.role) == (outer.trace, outer.span, SpanRole.CLIENT)
    assert outer.parent == ""
    assert outer.took_ns >= inner.took_ns > 0
    assert outer.began_ns <= inner.began_ns


def test_a_span_goes_on_at_another_node() -> None:
    recorder, _ = recording()
    headers: dict[str, str] = {}
    with ours.start_as_current_span("asks"):
        inject(headers)
    with ours.start_as_current_span("answers", context=extract(headers)):
        pass
    asks, answers = kept(recorder)
    assert (answers.trace, answers.parent) == (asks.trace, asks.span)


def test_the_ring_forgets_the_oldest_and_counts_them() -> None:
    recorder, _ = recording(3)
    for number in range(5):
        ours.start_span(str(number)).end()
    assert (names(kept(recorder)), sum(recorder.store.forgotten.values())) == (["2", "3", "4"], 2)


def test_a_span_ends_once_and_says_nothing_more() -> None:
    recorder, _ = recording()
    span = ours.start_span("a")
    span.end()
    span.end()
    span.set_attribute("late", 1)
    (ended,) = kept(recorder)
    assert ended.attributes == {}
    assert not span.is_recording()


def test_an_error_is_a_code_and_a_cancelled_span_is_none() -> None:
    recorder, _ = recording()
    fail("refused")
    with pytest.raises(asyncio.CancelledError), ours.start_as_current_span("given up"):
        raise asyncio.CancelledError
    refused, given_up = kept(recorder)
    assert (refused.error, given_up.error) == (ErrorCode.NO_NODE_AVAILABLE.value, "")


def test_that_a_parent_which_is_gone_does_not_answer_fails_no_trace() -> None:
    recorder, sent = recording(ratio=0.0)
    fail("request media.relay_close")
    assert (sent, recorder.take_news()) == ([], ())
    (asked,) = kept(recorder)
    assert (asked.error, asked.attributes) == ("", {"rillcast.outcome": ErrorCode.NO_NODE_AVAILABLE.value})
    with pytest.raises(RillcastError), ours.start_as_current_span("request media.relay_close"):
        raise RillcastError(ErrorCode.SERVER_ERROR, "SECRET")
    assert names(sent) == ["request media.relay_close"]


def test_attributes_are_short_and_few() -> None:
    recorder, _ = recording()
    with ours.start_as_current_span(
        "a", attributes={"long": "x" * 5_000, "true": True, "kind": SpanRole.CLIENT}
    ) as span:
        span.set_attributes({f"{number}": -1.5 for number in range(5 * MOST_ATTRIBUTES)})
    said = kept(recorder)[0].attributes
    assert (said["long"], said["true"], said["kind"], said["0"]) == ("x" * MOST_TEXT, True, "client", "-1.5")
    assert len(said) == MOST_ATTRIBUTES


def test_a_link_names_a_span_of_another_trace() -> None:
    recorder, _ = recording()
    with ours.start_as_current_span("cause") as cause:
        context = cause.get_span_context()
    ours.start_span("comes of it", links=[Link(context)]).end()
    cause_span, linked = kept(recorder)
    assert linked.link == f"{cause_span.trace}-{cause_span.span}"
    assert linked.trace != cause_span.trace


# ---- what is exported


def test_everything_is_exported_where_all_is_sampled_and_nothing_where_nothing_is() -> None:
    _, sent = recording(ratio=1.0)
    ours.start_span("a").end()
    assert names(sent) == ["a"]
    _, sent = recording(ratio=0.0)
    ours.start_span("a").end()
    assert sent == []


def test_about_the_wanted_share_of_traces_is_exported_and_each_is_whole() -> None:
    _, sent = recording(10_000, ratio=0.25)
    for _ in range(2_000):
        with ours.start_as_current_span("outer"), ours.start_as_current_span("inner"):
            pass
    assert 350 <= names(sent).count("outer") <= 650
    assert names(sent).count("outer") == names(sent).count("inner")


def test_the_decision_of_the_root_is_followed() -> None:
    _, sent = recording(ratio=0.0)
    sampled = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    with ours.start_as_current_span("answers", context=extract(sampled)):
        pass
    assert names(sent) == ["answers"]
    recording(ratio=1.0)
    headers: dict[str, str] = {}
    with ours.start_as_current_span("goes on", context=extract({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00"})):
        inject(headers)
    assert headers["traceparent"].endswith("-00")


def test_of_a_failed_trace_all_is_exported_and_others_are_told_once() -> None:
    recorder, sent = recording(ratio=0.0)
    headers: dict[str, str] = {}
    with ours.start_as_current_span("root"):
        ours.start_span("went well").end()
        fail("went wrong")
        ours.start_span("afterwards").end()
        inject(headers)
    ours.start_span("of another trace").end()
    assert names(sent) == ["went well", "went wrong", "afterwards", "root"]
    assert headers["traceparent"].endswith("-01"), "who is asked from now on exports its part at once"
    assert recorder.take_news() == (sent[0].trace,)
    assert recorder.take_news() == ()


def test_a_slow_trace_is_kept_like_a_failed_one() -> None:
    _, sent = recording(ratio=0.0, slow_s=1e-9)
    with ours.start_as_current_span("root"):
        ours.start_span("part").end()
    assert names(sent) == ["part", "root"]


def test_what_another_process_has_seen_fail_is_exported_here_too() -> None:
    recorder, sent = recording(ratio=0.0)
    with ours.start_as_current_span("answers") as span:
        trace = f"{span.get_span_context().trace_id:032x}"
    ours.start_span("of another trace").end()
    recorder.keep((trace,))
    recorder.keep((trace,))
    assert names(sent) == ["answers"]
    assert recorder.take_news() == (), "who was told does not tell it on"


def test_a_flood_of_failures_keeps_so_many_in_a_second() -> None:
    now = [0.0]
    recorder, sent = recording(10 * KEEPS_PER_S, ratio=0.0, clock=lambda: now[0])
    for _ in range(5 * KEEPS_PER_S):
        fail("flood")
    assert len(sent) == KEEPS_PER_S
    assert len(recorder.take_news()) == min(KEEPS_PER_S, MOST_TRACES)
    now[0] = 1.0
    fail("later")
    assert names(sent)[-1] == "later"


def test_what_others_report_has_a_bound_as_well() -> None:
    recorder, _ = recording(ratio=0.0)
    recorder.keep(f"{number:032x}" for number in range(3 * MOST_KEPT))
    assert len(recorder.kept) == MOST_KEPT
    assert f"{3 * MOST_KEPT - 1:032x}" in recorder.kept


# ---- what is asked for


def join(stream: str, session: str, *, fails: bool = False) -> None:
    said = {"rillcast.app": "live", "rillcast.stream": stream, "rillcast.session": session}
    with ours.start_as_current_span("root", attributes=said), ours.start_as_current_span("part") as part:
        if fails:
            part.set_status(StatusCode.ERROR, "timeout")


def asked(recorder: Recorder | None, **named: object) -> list[str]:
    answer = found(HERE, recorder, TracesRequest(**named))  # type: ignore[arg-type]
    return [str(span.attributes.get("rillcast.session", span.name)) for span in answer.spans]


def test_the_newest_trace_of_a_stream_a_session_or_an_app_is_found() -> None:
    recorder, _ = recording()
    join("s1", "one", fails=True)
    join("s1", "two")
    join("s2,s3", "three")
    assert asked(recorder, about="s1") == ["part", "two"]
    assert asked(recorder, about="s1", failed=True) == ["part", "one"]
    assert asked(recorder, about="s3") == ["part", "three"]
    assert asked(recorder, about="one") == ["part", "one"]
    assert asked(recorder, about="s1", most=5) == ["part", "two", "part", "one"]
    assert asked(recorder, app="other") == []
    assert asked(recorder, about="s") == []
    assert asked(recorder, traces=(kept(recorder)[0].trace,)) == ["part", "one"]


def test_a_process_that_keeps_nothing_says_so() -> None:
    answer = found(HERE, None, TracesRequest(about="s1"))
    assert (answer.kept, answer.spans) == (0, ())
