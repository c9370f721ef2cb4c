"""What is kept of the log in memory."""

from __future__ import annotations

import logging
import re

import pytest

from rillcast.contracts.words import LogLevel
from rillcast.runtime.telemetry.kept_lines import MOST_LINE_BYTES, Kept, KeptLines, Page
from rillcast.runtime.telemetry.logs import configure_logging, get_logger, kept_log, set_log_level

LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \[([^\]]+)\] (\w+)\s+(\S+) - (.*)$")
"""As a panel takes lines apart."""


def test_a_page_is_counted_in_bytes_from_the_begin_or_from_the_end() -> None:
    kept = KeptLines()
    assert kept.page(0, 10) == Page("", 0, 0)
    kept.keep("one")
    kept.keep("zwölf")
    whole = "one\nzwölf\n"
    assert kept.page(0, 100) == Page(whole, 11, 11)
    assert kept.page(-1, 7) == Page("zwölf\n", 7, 11)
    assert kept.page(4, 2) == Page("zw", 2, 11)
    assert kept.page(4, 3) == Page("zw", 3, 11)
    assert kept.page(-5, 3).text == "one"
    assert kept.page(99, 3) == Page("", 0, 11)
    assert kept.page(0, -3) == Page("", 0, 11)


def test_it_stays_bounded_and_keeps_whole_lines_of_the_latest() -> None:
    kept = KeptLines(most_bytes=1_000)
    for number in range(500):
        kept.keep(f"line {number}")
        assert len(kept) <= 1_000
    lines = kept.page(0, 2_000).text.splitlines()
    assert lines[-1] == "line 499"
    assert lines == [f"line {number}" for number in range(500 - len(lines), 500)]


def test_one_endless_line_takes_no_more_than_its_share() -> None:
    kept = KeptLines(most_bytes=MOST_LINE_BYTES)
    kept.keep("ä" * MOST_LINE_BYTES)
    kept.keep("after")
    assert kept.page(0, MOST_LINE_BYTES).text == "after\n"


def kept() -> Kept:
    """With a log that is written to standard error."""
    configure_logging("info", "json", "signaling-1")
    return kept_log()


def test_what_is_written_is_kept_in_lines_that_panels_can_read(capsys: pytest.CaptureFixture[str]) -> None:
    lines = kept().all
    get_logger("rillcast.x").warning("A peer is odd", name="a\n2026-01-01 00:00:00,000 [x] ERROR y - forged", count=3)
    get_logger("rillcast.x").debug("Not written")
    line = lines.page(-1, 300).text.splitlines()[-1]
    found = LINE.match(line)
    assert found is not None
    assert (found[3], found[4]) == ("WARN", "rillcast.x")
    assert found[5].startswith("A peer is odd  name=") and found[5].endswith("count=3")
    assert capsys.readouterr().err.count("\n") == 1


def test_errors_are_kept_by_themselves_with_their_tracebacks() -> None:
    errors = kept().errors
    before = len(errors)
    get_logger("rillcast.x").info("Nothing happened")
    assert len(errors) == before
    try:
        raise KeyError("boom")
    except KeyError:
        get_logger("rillcast.x").exception("It broke")
    assert "ERROR rillcast.x - It broke\nTraceback" in errors.page(-1, 2_000).text


@pytest.mark.parametrize(
    ("level", "written"),
    [
        (LogLevel.ALL, "dwe"),
        (LogLevel.TRACE, "dwe"),
        (LogLevel.DEBUG, "dwe"),
        (LogLevel.INFO, "we"),
        (LogLevel.WARN, "we"),
        (LogLevel.ERROR, "e"),
        (LogLevel.OFF, ""),
    ],
)
def test_a_level_holds_for_libraries_too(capsys: pytest.CaptureFixture[str], level: LogLevel, written: str) -> None:
    kept()
    set_log_level(level)
    ours, theirs = get_logger("rillcast.x"), logging.getLogger("nats.x")
    ours.debug("d")
    for log in (ours, theirs):
        log.warning("w")
        log.error("e")
    lines = capsys.readouterr().err.splitlines()
    assert "".join(re.findall(r'"message":"(\w)"', "\n".join(lines))) == written + written.strip("d")
