"""The terminal of `rillcast top` and its keys, without a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event

from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog, Static

from rillcast.cli.top.picture import Grade, Picture
from rillcast.cli.top.screen import MOST_LINES, Top
from rillcast.testing.eventually import eventually
from tests.unit.cli.top_rows import HOSTILE, node, picture, stream


class Hollow:
    """Gives what a test tells it to give."""

    def __init__(self) -> None:
        self.drained: list[tuple[str, bool]] = []
        self.searched: list[str] = []
        self.over = Event()

    def pictures(
        self, take: Callable[[Picture], None], lost: Callable[[str], None], stopped: Callable[[], bool]
    ) -> None:
        while not stopped() and not self.over.wait(0.02):
            pass

    def events(self, take: Callable[[Text], None], stopped: Callable[[], bool]) -> None:
        while not stopped() and not self.over.wait(0.02):
            pass

    def search(self, words: str) -> None:
        self.searched.append(words)

    def drain(self, name: str, *, undo: bool) -> str:
        self.drained.append((name, undo))
        return f"{name} drains"


class Seen:
    """The terminal, and who gives it its pictures."""

    def __init__(self, top: Top, told: Hollow, pilot: Pilot[None]) -> None:
        self.top, self.told, self.pilot = top, told, pilot

    def verdict(self) -> str:
        return str(self.top.query_one("#verdict", Static).render())

    def rows(self, name: str = "node-rows") -> list[str]:
        table = self.top.query_one(f"#{name}", DataTable)
        return [str(table.get_cell_at((row, 0))) for row in range(table.row_count)]  # type: ignore[arg-type]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@asynccontextmanager
async def terminal() -> AsyncIterator[Seen]:
    told = Hollow()
    top = Top(told, "http://rillcast.example")
    async with top.run_test(size=(140, 30)) as pilot:
        try:
            yield Seen(top, told, pilot)
        finally:
            told.over.set()


async def test_the_row_under_the_cursor_stays_there_when_the_order_changes() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1"), node("edge-2"), node("edge-3")))
        await seen.press("down")
        seen.top.take(picture(node("edge-1"), node("edge-2"), node("edge-3", grade=Grade.BAD, state="frozen")))
        await seen.pilot.pause()
        assert seen.rows() == ["edge-3", "edge-1", "edge-2"]
        assert seen.top.query_one("#node-rows", DataTable).cursor_row == 2, "edge-2"
        assert "edge-3 is frozen" in seen.verdict()


async def test_a_server_that_does_not_answer_is_told_and_the_last_picture_stays() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1")))
        seen.top.lost("no answer from the server")
        await seen.pilot.pause()
        assert "no answer from the server" in seen.verdict()
        assert seen.rows() == ["edge-1"]
        seen.top.take(picture(node("edge-1"), node("edge-2")))
        await seen.pilot.pause()
        assert "no answer" not in seen.verdict()


async def test_a_node_is_drained_when_that_is_confirmed_and_not_before() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1"), node("edge-2", drains=True, grade=Grade.NEUTRAL)))
        await seen.press("d", "enter")
        await seen.press("d", "n")
        assert seen.told.drained == []
        await seen.press("down", "d", "y")
        await eventually(lambda: seen.told.drained, 5.0, "the drain is asked for")
        (asked,) = seen.told.drained
        row = seen.rows()[1]
        assert asked == (row, row == "edge-2"), "one that drains already takes new work again"


async def test_a_dead_node_is_not_drained() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1", alive=False, state="dead", grade=Grade.BAD)))
        await seen.press("d", "y")
        assert seen.told.drained == []


async def test_only_rows_with_the_words_are_shown_until_that_is_left() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1"), node("origin-1", kind="origin")))
        await seen.press("slash", *"origin")
        assert seen.rows() == ["origin-1"]
        assert seen.told.searched == []
        await seen.press("enter")
        assert seen.told.searched == ["origin"], "the server is asked, which knows more than is shown"
        await seen.press("escape")
        assert sorted(seen.rows()) == ["edge-1", "origin-1"]
        assert seen.told.searched[-1] == ""


async def test_hostile_names_are_shown_in_tables_and_facts() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1"), streams=(stream(HOSTILE), stream("[/]", state=HOSTILE))))
        await seen.press("2")
        assert len(seen.rows("stream-rows")) == 2
        await seen.press("enter")
        shown = "\n".join(str(one.render()) for one in seen.top.screen.query(Static))
        assert "live/" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        await seen.press("escape")


async def test_events_are_bounded() -> None:
    async with terminal() as seen:
        await seen.press("3")
        for number in range(MOST_LINES + 50):
            seen.top.happened(Text(f"{number}"))
        await seen.pilot.pause()
        assert len(seen.top.query_one(RichLog).lines) == MOST_LINES


async def test_a_picture_that_stands_still_goes_on_later() -> None:
    async with terminal() as seen:
        seen.top.take(picture(node("edge-1")))
        await seen.press("p")
        seen.top.take(picture(node("edge-1"), node("edge-2")))
        await seen.pilot.pause()
        assert seen.rows() == ["edge-1"]
        await seen.press("p")
        seen.top.take(picture(node("edge-1"), node("edge-2")))
        await seen.pilot.pause()
        assert seen.rows() == ["edge-1", "edge-2"]


async def test_a_thousand_nodes_and_streams_are_shown() -> None:
    async with terminal() as seen:
        nodes = tuple(node(f"edge-{number}") for number in range(1_000))
        seen.top.take(picture(*nodes, streams=tuple(stream(f"s{number}") for number in range(1_000))))
        await seen.pilot.pause()
        assert len(seen.rows()) == 1_000
