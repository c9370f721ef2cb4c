"""`rillcast drain`: what it shows, and with which exit code it ends."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from rich.console import Console

from rillcast.cli import drain as cli
from rillcast.cli.drain import INTERRUPTED, NODE_DIED, PATIENCE_S, SOME_CUT, Wish, one_line, render
from rillcast.cli.faults import CannotGoOn
from rillcast.cli.operators import Operator
from rillcast.client import Client, ClientError
from rillcast.client.shapes import DrainShare, NodeDrain
from rillcast.contracts.words import DrainPhase, NodeKind

Answer = httpx.Response | Exception


def progress(
    phase: str = "draining", left: int = 0, cut: int = 0, who: Iterable[str] = (), **fields: Any
) -> httpx.Response:
    viewers = {"began": 5, "moved": 5 - left - cut, "left": left, "cut": cut}
    body = {"success": True, "node": "edge-1", "kind": "edge", "phase": phase, "viewers": viewers}
    body |= {"cut": list(who), **fields}
    return httpx.Response(200, json={"deadlineS": 60.0, "leftS": 12.0, "message": f"edge-1 is {phase}", **body})


class Site:
    """A signaling instance that gives these answers, and a clock that runs while nobody waits for it."""

    def __init__(self, *answers: Answer) -> None:
        self.requests: list[str] = []
        self.now = 0.0
        self.out = io.StringIO()
        self._answers: Iterator[Answer] = iter(answers)
        self._last: Answer = httpx.Response(500)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.raw_path.decode()}")
        self._last = next(self._answers, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return httpx.Response(self._last.status_code, content=self._last.content)

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def run(self, wish: Wish) -> int:
        console = Console(file=self.out, width=200)
        watch = cli._Watch(Operator("http://test"), wish, console, clock=lambda: self.now, pause=self.pause)
        with Client("http://test", transport=httpx.MockTransport(self.answer)) as client:
            return watch.until_over(client)

    @property
    def said(self) -> list[str]:
        return self.out.getvalue().splitlines()


def run(wish: Wish, *answers: Answer) -> tuple[int, Site]:
    site = Site(*answers)
    return site.run(wish), site


def test_it_looks_until_nobody_is_left() -> None:
    code, site = run(Wish("edge-1", 60), progress(left=5), progress(left=2), progress(left=2), progress("drained"))
    assert code == 0
    assert site.requests[0] == "POST /rillcast/v1/nodes/edge-1/drain?deadline=60"
    assert set(site.requests[1:]) == {"GET /rillcast/v1/nodes/edge-1/drain"}
    assert site.said == [
        "edge-1 draining: viewers 0 moved, 5 left",
        "edge-1 draining: viewers 3 moved, 2 left",
        "edge-1 drained: viewers 5 moved, 0 left",
        "edge-1 is drained",
    ]


def test_who_was_cut_off_is_named_and_the_exit_code_says_so() -> None:
    cut = ["viewer a of live/s1", "viewer [b] of live/s1"]
    code, site = run(Wish("edge-1"), progress(left=3), progress("cut", cut=3, who=cut))
    assert code == SOME_CUT
    assert site.said[-3:] == ["  cut off: viewer a of live/s1", "  cut off: viewer [b] of live/s1", "  and 1 more"]


def test_a_node_that_was_drained_before_is_over_at_once() -> None:
    code, site = run(Wish("edge-1"), progress("drained"))
    assert (code, len(site.requests)) == (0, 1)


@pytest.mark.parametrize(("left", "code"), [(2, NODE_DIED), (0, 0)])
def test_a_node_that_ends_meanwhile(left: int, code: int) -> None:
    ended, site = run(Wish("edge-1"), progress(left=left), httpx.Response(404, json={"success": False}))
    assert ended == code
    assert "has ended" in site.said[-1]


def test_an_instance_that_is_away_is_waited_for_and_the_drain_goes_on() -> None:
    away = httpx.ConnectError("refused")
    code, site = run(
        Wish("edge-1"), progress(left=2), away, away, httpx.Response(503), progress(left=1), progress("drained")
    )
    assert code == 0
    assert "edge-1 draining: viewers 3 moved, 2 left (http://test does not answer; the drain goes on at edge-1)" in (
        site.said
    )


def test_an_instance_that_stays_away_is_given_up_in_words() -> None:
    site = Site(progress(left=2), httpx.ConnectError("refused"))
    with pytest.raises(CannotGoOn, match="the drain goes on at edge-1"):
        site.run(Wish("edge-1"))
    assert site.now >= PATIENCE_S


def test_a_drain_that_somebody_takes_back_ends_the_command_in_words() -> None:
    with pytest.raises(CannotGoOn, match="taken back"):
        run(Wish("edge-1"), progress(left=2), progress("none"))


def test_taking_it_back_says_so_and_looks_no_further() -> None:
    code, site = run(Wish("edge-1", undo=True), progress("none", message="edge-1 takes new work"))
    assert (code, site.requests) == (0, ["DELETE /rillcast/v1/nodes/edge-1/drain"])
    assert site.said == ["edge-1 takes new work"]


def test_cutting_at_once_asks_for_it() -> None:
    _, site = run(Wish("edge-1", now=True), progress("cut", cut=5))
    assert site.requests == ["POST /rillcast/v1/nodes/edge-1/drain?now=true"]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_of_dots_is_asked_of_nobody(name: str) -> None:
    with pytest.raises(ClientError, match="cannot be the name"):
        run(Wish(name), progress("drained"))


@pytest.mark.parametrize("name", ["a/b", "x?y", "../..", "ä", "%2e"])
def test_no_name_reaches_another_path(name: str) -> None:
    _, site = run(Wish(name), progress("drained"))
    assert site.requests[0].startswith("POST /rillcast/v1/nodes/")
    assert site.requests[0].endswith("/drain")
    assert site.requests[0].count("/") == 5


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("edge-1", 0), "--now cuts everybody off at once"),
        (Wish("edge-1", -5), "1 to 86400 seconds, not -5"),
        (Wish("edge-1", 10**30), "1 to 86400 seconds"),
        (Wish("edge-1", 5, now=True), "without --deadline"),
        (Wish("edge-1", undo=True, now=True), "--undo"),
        (Wish("edge-1", 5, undo=True), "--undo"),
    ],
)
def test_what_makes_no_sense_is_said_before_anybody_is_asked(wish: Wish, words: str) -> None:
    with pytest.raises(CannotGoOn, match=words):
        wish.check()


def test_an_answer_of_something_else_is_no_traceback() -> None:
    with pytest.raises(ClientError, match="not this version of Rillcast"):
        run(Wish("edge-1"), httpx.Response(200, text="hello"))


def test_ctrl_c_ends_the_showing_and_not_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli._Watch, "until_over", interrupted)
    out = io.StringIO()
    code = cli.drain(Operator("http://127.0.0.1:1"), Wish("edge-1"), Console(file=out, width=200))
    assert code == INTERRUPTED
    assert "the drain of edge-1 goes on" in out.getvalue()
    assert "--undo" in out.getvalue()


def test_a_terminal_shows_counts_time_and_what_stands_in_the_way() -> None:
    shown = NodeDrain(
        node="edge-1",
        kind=NodeKind.EDGE,
        phase=DrainPhase.DRAINING,
        deadline_s=300.0,
        left_s=125.4,
        viewers=DrainShare(began=9, moved=4, left=4, cut=1),
        obstacle="no other edge takes new work, so nobody can be moved",
    )
    assert render(shown).plain.splitlines() == [
        "edge-1  draining, 2 min 5 s of 5 min 0 s left",
        "  viewers         4 moved       4 left       1 cut off",
        "  no other edge takes new work, so nobody can be moved",
    ]
    empty = NodeDrain(node="o", kind=NodeKind.ORIGIN, phase=DrainPhase.DRAINED)
    assert render(empty).plain.splitlines() == ["o  drained", "  nobody is here"]
    assert one_line(empty) == "o drained: nobody is here"
