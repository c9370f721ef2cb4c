"""Log lines, for people and for collectors."""

from __future__ import annotations

import json

import pytest

from rillcast.runtime.telemetry.logs import configure_logging, get_logger
from rillcast.runtime.telemetry.tracing import configure_tracing, tracer


def test_json_has_fields_node_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_tracing("test", "node", "0")
    configure_logging("info", "json", "edge-1")
    with tracer("test").start_as_current_span("x") as span:
        get_logger("rillcast.x").bind(app="live").info(
            "A thing happened", stream="s1", count=3, message="not the sentence"
        )
    entry = json.loads(capsys.readouterr().err)
    assert (entry["message"], entry["node"], entry["app"], entry["stream"], entry["count"]) == (
        *("A thing happened", "edge-1", "live", "s1", 3),
    )
    assert entry["field_message"] == "not the sentence"
    assert entry["trace_id"] == f"{span.get_span_context().trace_id:032x}"


def test_text_is_one_line_whatever_a_peer_sends(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text", "edge-1")
    get_logger("rillcast.x").warning("A peer is odd", name="a\n12:00:00 ERROR forged", plain="ok")
    (line,) = capsys.readouterr().err.splitlines()
    assert "WARN  edge-1" in line
    assert "plain=ok" in line
    assert '\\n12:00:00 ERROR forged"' in line


def test_what_is_below_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "text", "edge-1")
    get_logger("rillcast.x").info("Quiet")
    assert capsys.readouterr().err == ""


def test_a_fault_of_ours_has_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", "edge-1")
    try:
        raise KeyError("boom")
    except KeyError:
        get_logger("rillcast.x").exception("It broke")
    assert "KeyError: 'boom'" in json.loads(capsys.readouterr().err)["exception"]
