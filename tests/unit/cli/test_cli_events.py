"""`rillcast events`: what happens, whatever becomes of the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx
import pytest

from rillcast.cli.commands import events as module
from rillcast.contracts.event_records import ClusterEvent, EventKind, SessionFate, SessionMove
from rillcast.contracts.words import Role
from tests.unit.cli.command_line import Line, line

__all__ = ["line"]
FIRST = b"retry: 2000\nid: 4-200\n\n"


def event(number: int) -> bytes:
    data = json.dumps({"kind": "viewer.joined", "at_ms": 1_000 * number, "app": "live", "stream": "talk"})
    return f"id: {number}-0\nevent: viewer.joined\ndata: {data}\n\n".encode()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{module.__name__}.time.sleep", lambda seconds: None)


def in_turn(*answers: httpx.Response | Exception) -> tuple[Callable[[httpx.Request], httpx.Response], list[str]]:
    """A server that gives one answer after the other, and which ids it was shown."""
    left, shown = iter(answers), []

    def reply(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers.get("Last-Event-ID", ""))
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return reply, shown


def test_a_connection_that_ends_is_made_again_with_the_last_id_also_before_the_first_event(line: Line) -> None:
    line.reply, shown = in_turn(
        httpx.Response(200, content=FIRST),
        httpx.ConnectError("gone"),
        httpx.Response(503, json={"success": False, "message": "this instance is going away"}),
        httpx.Response(200, content=FIRST + event(5) + event(6)),
        httpx.Response(200, content=event(7)),
    )

    ran = line.run("events", "--most", "3", "--json")

    assert ran.code == 0, ran.err
    assert [json.loads(row)["id"] for row in ran.out.splitlines()] == ["5-0", "6-0", "7-0"]
    assert shown == ["", "4-200", "4-200", "4-200", "6-0"]


def test_what_is_asked_for_is_shown_to_the_server(line: Line) -> None:
    line.reply, shown = in_turn(httpx.Response(200, content=event(9)))

    line.run("events", "--app", "live", "--stream", "talk", "--after", "8-3", "--most", "1")

    assert line.asked == ["GET /rillcast/v1/events?app=live&stream=talk"]
    assert shown == ["8-3"]


@pytest.mark.parametrize(("status", "why"), [(403, "not allowed"), (503, "no place"), (400, "no id")])
def test_who_is_not_let_in_is_told_why_and_does_not_try_for_ever(line: Line, status: int, why: str) -> None:
    line.reply = lambda _: httpx.Response(status, json={"success": False, "message": why})

    ran = line.run("events")

    assert ran.code != 0
    assert why in ran.err


def lines_of_people() -> Iterator[tuple[ClusterEvent, str]]:
    fate = SessionFate(id="x", role=Role.PLAY, who="ada \x1b[31m", address="192.0.2.7")
    base = ClusterEvent(kind=EventKind.VIEWER_JOINED, at_ms=0, app="live", stream="talk", node="edge-1", session=fate)
    yield base, "viewer.joined      live/talk at edge-1 by ada \ufffd[31m, 192.0.2.7"
    move = SessionMove(at_ms=5_000, left="edge-1", why="node_gone", node="edge-2", back_ms=6_240)
    moved = SessionFate(id="x", role=Role.PLAY, trail=(move,))
    yield (
        ClusterEvent(
            kind=EventKind.VIEWER_MOVED, at_ms=0, app="live", stream="talk", node="edge-2", zone="z", session=moved
        ),
        "viewer.moved       live/talk at edge-2 in z left edge-1 (node_gone), up after 1.2 s",
    )
    yield ClusterEvent(kind=EventKind.NODE_LEFT, at_ms=0, node="edge-1", why="it is silent"), "edge-1 (it is silent)"
    yield ClusterEvent(kind=EventKind.EVENTS_MISSED, at_ms=0, why="some are gone"), "(some are gone)"


@pytest.mark.parametrize(("happened", "said"), list(lines_of_people()))
def test_each_event_is_one_line_without_what_would_colour_a_terminal(happened: ClusterEvent, said: str) -> None:
    text = module.line_of(happened).plain

    assert said in text
    assert "\x1b" not in text
    assert len(text) <= 100
