"""A trace in the terminal: the tree, and where the time went."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from rillcast.cli.trace_tree import NOBODY, drawn, rows_of, spent
from rillcast.client.shapes import TracedSpan, TraceStatus
from rillcast.contracts.messages.traces import SpanRole
from rillcast.contracts.words import NodeKind


def span(name: str, began_us: int, took_us: int, *, id: str = "", parent: str = "", error: str = "") -> TracedSpan:
    return TracedSpan(
        span=id or name,
        parent=parent,
        name=name,
        role=SpanRole.INTERNAL,
        node="edge-1",
        service=NodeKind.EDGE,
        began_us=began_us,
        took_us=took_us,
        error=error,
        attributes={"rillcast.parent": "origin-1"} if name == "relay" else {},
    )


def trace(*spans: TracedSpan, whole: bool = True, error: str = "") -> TraceStatus:
    began = min(one.began_us for one in spans)
    return TraceStatus(
        trace="4" * 32,
        name="play",
        app="live",
        stream="s1",
        session="5" * 32,
        began_us=began,
        took_us=max(one.began_us + one.took_us for one in spans) - began,
        error=error,
        whole=whole,
        spans=list(spans),
    )


JOIN = trace(
    span("play", 1_000, 100_000),
    span("ask", 2_000, 30_000, parent="play"),
    span("relay", 12_000, 10_000, parent="ask"),
    span("connect", 41_000, 50_000, parent="play"),
)


def shown(one: TraceStatus, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(drawn(one))
    return out.getvalue()


def test_each_span_stands_below_its_parent_in_the_order_in_which_they_began() -> None:
    assert [(row.lines, row.span.name) for row in rows_of(JOIN.spans)] == [
        ("", "play"),
        ("├─ ", "ask"),
        ("│  └─ ", "relay"),
        ("└─ ", "connect"),
    ]


def test_a_span_whose_parent_is_not_there_is_a_root_and_strange_parents_make_no_endless_tree() -> None:
    lost = span("lost", 1, 1, parent="pushed out")
    itself = span("itself", 2, 1, parent="itself")
    one, two = span("one", 3, 1, parent="two"), span("two", 4, 1, parent="one")
    assert [row.span.name for row in rows_of([lost, itself, one, two])] == ["lost", "itself"]


def test_each_moment_counts_for_the_deepest_span_and_the_sum_is_the_whole() -> None:
    parts = {name: took for name, _, took in spent(JOIN)}
    assert parts == {"connect": 50_000, "ask": 20_000, "play": 20_000, "relay": 10_000}
    assert sum(parts.values()) == JOIN.took_us
    gap = trace(span("a", 0, 10), span("b", 90, 10))
    assert {name: took for name, _, took in spent(gap)} == {NOBODY: 80, "a": 10, "b": 10}


def test_people_see_the_tree_the_nodes_the_times_and_what_failed() -> None:
    text = shown(trace(*JOIN.spans, span("accept", 95_000, 1_000, parent="play", error="no_node"), error="no_node"))
    for words in ("live/s1", "└─", "parent=origin-1", "edge-1", "50.0 ms", "no_node", "where the time went", "50 %"):
        assert words in text
    assert "not in memory any more" not in text
    assert "not in memory any more" in shown(trace(*JOIN.spans, whole=False))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_error_takes_the_room_of_names_and_of_nothing_else(width: int) -> None:
    one = trace(*JOIN.spans, span("accept", 95_000, 1_000, parent="play", error="no_codec_enabled_in_the_server " * 3))
    lines = shown(one, width).splitlines()
    heading = next(line for line in lines if line.startswith("span"))
    assert all(word in heading for word in ("node", "after", "took"))
    rows = [line for line in lines if one.spans[0].node in line and "━" in line]
    assert rows
    assert all(len(line) <= width for line in rows)


def test_a_name_cannot_colour_the_terminal() -> None:
    text = shown(trace(span("\x1b[31mred [bold]x[/bold]", 0, 1)))
    assert "\x1b" not in text
    assert "[bold]x[/bold]" in text
