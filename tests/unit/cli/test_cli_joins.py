"""`rillcast sessions`: what became of joins, for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.unit.cli.command_line import Line, line

__all__ = ["line"]
AT_MS = int(datetime(2026, 11, 30, 20, 31, 5, tzinfo=UTC).timestamp() * 1_000)
MOVED: dict[str, Any] = {
    "id": "signaling-1/x/7",
    "app": "live",
    "stream": "a-talk-with-a-long-name-of-forty-letters-x",
    "role": "play",
    "state": "over",
    "reason": "socket_closed",
    "who": "ada \x1b[31m",
    "address": "2001:db8:1234:5678:9abc:def0:1234:5678",
    "node": "edge-2",
    "zone": "eu-1b",
    "instance": "signaling-1",
    "askedMs": AT_MS - 7_000,
    "openedMs": AT_MS - 6_990,
    "connectedMs": AT_MS - 6_870,
    "mediaMs": AT_MS - 6_850,
    "endedMs": AT_MS + 60_000,
    "moves": 9,
    "trail": [
        {"atMs": AT_MS - 1_000, "left": "edge-3", "why": "draining", "node": "edge-1", "backMs": AT_MS - 900},
        {"atMs": AT_MS, "left": "edge-1", "why": "node_gone", "node": "edge-2", "backMs": AT_MS + 1_240},
    ],
}
REFUSED: dict[str, Any] = {
    "id": "signaling-1/x/8",
    "app": "live",
    "stream": "talk",
    "role": "publish",
    "state": "refused",
    "reason": "unauthorized_access",
    "instance": "signaling-1",
    "askedMs": AT_MS,
    "endedMs": AT_MS,
}


@pytest.mark.parametrize("width", [60, 80, 100, 300])
def test_the_table_fits_and_keeps_what_says_most(line: Line, width: int) -> None:
    line.reply = lambda _: httpx.Response(200, json=[MOVED, REFUSED])

    ran = line.run("sessions", "list", width=width)

    assert ran.code == 0, ran.err
    rows = ran.out.splitlines()
    assert max(len(row) for row in rows) <= width
    assert len(rows) == 3
    assert "11-30 20:30:58" in rows[1]
    assert "refused" in rows[2]
    if width >= 100:
        assert "9× 20:31:05" in rows[1]
        assert "unauthor" in rows[2]
    if width == 300:
        assert "9× 20:31:05 edge-1 (1.2 s)" in rows[1]
    assert "\x1b" not in ran.out


def test_all_that_is_known_of_a_join_tells_why_somebody_saw_black(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[MOVED])

    ran = line.run("sessions", "list", "--long", width=100)

    rows = [row.rstrip() for row in ran.out.splitlines()]
    said = dict(row.split(None, 1) for row in rows if not row.startswith("move"))
    assert said["state"] == "over: socket_closed"
    assert said["asked"] == "2026-11-30 20:30:58 UTC, at signaling-1"
    assert said["node"] == "edge-2 in eu-1b"
    assert (said["opened"], said["connected"], said["media"]) == ("after 10 ms", "after 130 ms", "after 150 ms")
    assert said["ended"] == "2026-11-30 20:32:05 UTC, after 1 min 6 s"
    assert [row for row in rows if row.startswith("move")] == [
        "move 8     2026-11-30 20:31:04 UTC from edge-3 to edge-1 (draining), up after 0.1 s",
        "move 9     2026-11-30 20:31:05 UTC from edge-1 to edge-2 (node_gone), up after 1.2 s",
    ]


def test_a_program_gets_all_of_it(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[MOVED, REFUSED])

    assert json.loads(line.run("sessions", "list", "--json").out)[0] == MOVED


def test_what_was_there_in_a_minute_is_asked_for(line: Line) -> None:
    line.reply = lambda _: httpx.Response(200, json=[])

    ran = line.run("sessions", "list", "--stream", "s", "--since", "2026-11-30T20:31Z", "--until", "2026-11-30T20:31Z")

    assert ran.out == "no such join is known\n"
    asked = parse_qs(urlsplit(line.asked[0].split()[1]).query)
    minute = AT_MS - 5_000
    assert (asked["since"], asked["until"], asked["stream"]) == ([str(minute)], [str(minute + 59_999)], ["s"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--since", "yesterday"], "must be like 15m, 20:31"),
        (["--since", "25:00"], "must be like 15m, 20:31"),
        (["--long", "--json"], "two forms of the same"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(line: Line, words: list[str], why: str) -> None:
    ran = line.run("sessions", "list", *words)

    assert (ran.code, line.asked) == (2, [])
    assert why in ran.err
