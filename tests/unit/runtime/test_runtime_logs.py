"""Log lines, for people and for collectors."""

from __future__ import annotations

import json
import logging

import pytest

from rillcast.runtime.telemetry.logs import Bounded, configure_logging, get_logger
from rillcast.runtime.telemetry.tracing import Tracing, configure_tracing, tracer


def test_json_has_fields_node_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_tracing("test", "node", "0", Tracing())
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


def record(at: float, *, line: int = 7, level: int = logging.WARNING) -> logging.LogRecord:
    made = logging.LogRecord("rillcast.x", level, "x.py", line, "A client is odd", (), None)
    made.created = at
    return made


def test_one_place_in_the_code_fills_no_disk_and_says_what_it_left_out() -> None:
    bounded = Bounded()
    crowd = [record(100.0 + n / 1000) for n in range(1000)]

    written = [one for one in crowd if bounded.filter(one)]
    other_place = bounded.filter(record(101.0, line=8))
    later = record(100.0 + Bounded.PERIOD_S)

    assert len(written) == Bounded.LINES
    assert "others_left_out_for_s" in written[-1].__dict__["rillcast_fields"]
    assert other_place
    assert bounded.filter(later)
    assert later.__dict__["rillcast_fields"] == {"left_out_before": 1000 - Bounded.LINES}


def test_few_lines_and_lines_for_debugging_are_all_written() -> None:
    bounded = Bounded()

    assert all(bounded.filter(record(float(n))) for n in range(1000))
    assert all(bounded.filter(record(2000.0, level=logging.DEBUG)) for _ in range(1000))


def test_a_wall_clock_that_is_set_back_silences_nothing_for_long() -> None:
    bounded = Bounded()
    assert not all(bounded.filter(record(1000.0)) for _ in range(100))

    assert bounded.filter(record(10.0))


def test_what_libraries_log_is_bounded_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text", "edge-1")
    for _ in range(200):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert len(capsys.readouterr().err.splitlines()) == Bounded.LINES


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"), 0),
        (RuntimeError("another fault"), 1),
    ],
)
def test_what_uvloop_says_of_a_tls_connection_that_was_given_up_is_no_fault(
    capsys: pytest.CaptureFixture[str], error: RuntimeError, lines: int
) -> None:
    configure_logging("info", "json")

    logging.getLogger("asyncio").error("Fatal error on SSL protocol\nprotocol: <SSLProtocol>", exc_info=error)

    assert len(capsys.readouterr().err.splitlines()) == lines
