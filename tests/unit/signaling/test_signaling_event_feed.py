"""The history of joins and the listeners to events, out of the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import replace

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import ClusterEvent, EventKind, SessionFate, SessionMove
from rillcast.contracts.permissions import JOURNALS
from rillcast.contracts.words import Role
from rillcast.runtime.ports import Noted
from rillcast.testing.eventually import eventually, within
from rillcast.testing.journal import FakeJournal
from services.signaling.core.domain.session_history import Asked, SessionHistory
from services.signaling.core.usecases import event_feed
from services.signaling.core.usecases.event_feed import MOST_LISTENERS, EventFeed, Happened, Listener, Missed, Recent

PAUSE_S = 10.0


def event(number: int) -> ClusterEvent:
    return ClusterEvent(kind=EventKind.VIEWER_JOINED, at_ms=number)


def join(number: int, *, app: str = "live", ended_ms: int = 0, reason: str = "") -> ClusterEvent:
    fate = SessionFate(id=f"id-{number}", role=Role.PLAY, ended_ms=ended_ms, reason=reason)
    return ClusterEvent(kind=EventKind.VIEWER_JOINED, at_ms=number, app=app, node="edge-1", session=fate)


class Site:
    """A feed that follows a journal."""

    def __init__(self) -> None:
        self.journal = FakeJournal(JOURNALS[0])
        self.history = SessionHistory(most=3)
        self.feed = EventFeed(self.journal, self.history)
        self.running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self.running = asyncio.create_task(self.feed.run())
        await eventually(lambda: self.feed.begun, 10.0, "the feed to begin")

    async def writes(self, *events: ClusterEvent) -> None:
        await self.journal.append(msgspec.json.encode(events))
        if self.running is not None:
            await eventually(lambda: self.feed.newest >= self.journal.entries[-1].place, 5.0, "the entry")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    if made.running is not None:
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)


async def heard(listener: Listener, many: int, gaps: list[int] | None = None) -> list[Happened]:
    """The next so many events. `gaps`: takes the places of those that are missing."""
    found: list[Happened] = []
    async with within(60.0, f"{many} events"), aclosing(listener.events(PAUSE_S)) as told:
        async for events in told:
            if isinstance(events, Missed):
                assert gaps is not None, "some are missing"
                gaps.append(events.place)
                continue
            found += events
            if len(found) >= many:
                break
    return found


def times(found: list[Happened]) -> list[int]:
    return [one.event.at_ms for one in found]


async def test_who_listens_is_told_what_happens_from_now_on(site: Site) -> None:
    await site.run()
    await site.writes(event(1))
    with site.feed.listening(None) as listener:
        await site.writes(event(2), event(3))
        found = await heard(listener, 2)

    assert times(found) == [2, 3]
    assert [(one.place, one.part) for one in found] == [(2, 0), (2, 1)]


@pytest.mark.parametrize("remembered", [True, False])
async def test_who_comes_back_is_first_told_what_it_missed(
    site: Site, remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory, or out of the store where memory does not go back so far."""
    if not remembered:
        monkeypatch.setattr(event_feed, "MOST_ENTRIES", 1)
        site.feed = EventFeed(site.journal, site.history)
    await site.run()
    for number in range(3):
        await site.writes(event(10 * number), event(10 * number + 1))
    with site.feed.listening((1, 0)) as listener:
        await site.writes(event(30))
        found = await heard(listener, 6)

    assert times(found) == [1, 10, 11, 20, 21, 30]


async def test_who_comes_back_to_an_instance_that_has_just_begun_misses_nothing(site: Site) -> None:
    for number in range(3):
        await site.writes(event(number))
    with pytest.raises(RillcastError, match="cannot be read yet"), site.feed.place(""):
        pass
    await site.run()
    with site.feed.listening((1, 0)) as listener:
        found = await heard(listener, 2)

    assert times(found) == [1, 2]


async def test_whoever_was_away_for_too_long_is_told_that_some_are_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_ENTRIES", 2)
    site.journal = FakeJournal(replace(JOURNALS[0], most=3))
    site.feed = EventFeed(site.journal, site.history)
    await site.run()
    for number in range(1, 7):
        await site.writes(event(number))
    gaps: list[int] = []
    with site.feed.listening((1, 0)) as listener:
        found = await heard(listener, 3, gaps)

    assert (times(found), gaps) == ([4, 5, 6], [3])


async def test_the_id_of_another_store_is_told_as_missing_and_new_events_come(site: Site) -> None:
    await site.run()
    await site.writes(event(1))
    gaps: list[int] = []
    with site.feed.listening((1_000_000, 0)) as listener:
        waiting = asyncio.create_task(heard(listener, 1, gaps))
        await eventually(lambda: gaps, 5.0, "the gap")
        await site.writes(event(2))
        found = await waiting

    assert (times(found), gaps) == ([2], [1])


async def test_a_listener_that_is_behind_what_is_in_memory_is_given_it_by_the_store(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_ENTRIES", 2)
    site.feed = EventFeed(site.journal, site.history)
    await site.run()
    with site.feed.listening(None) as slow:
        async with aclosing(slow.events(PAUSE_S)) as told:
            await site.writes(event(0))
            assert times(await anext(told)) == [0]  # type: ignore[arg-type]
            for number in range(1, 9):
                await site.writes(event(number))
            found = [times(await anext(told)) for _ in range(8)]  # type: ignore[arg-type]

    assert found == [[number] for number in range(1, 9)]


async def test_a_store_that_does_not_give_what_was_missed_ends_the_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_ENTRIES", 1)
    site.feed = EventFeed(site.journal, site.history)
    await site.run()
    for number in range(3):
        await site.writes(event(number))
    site.journal.entries.clear()
    with (
        site.feed.listening((1, 0)) as listener,
        pytest.raises(RillcastError, match="does not give what was missed"),
    ):
        await heard(listener, 1)


def test_what_is_in_memory_has_a_bound_of_entries_and_one_of_bytes() -> None:
    recent = Recent(most=3, most_bytes=100)
    for place in range(1, 6):
        recent.add(Noted(place, b"x" * 10))
    assert (len(recent), recent.size, recent.reach(2), recent.reach(1)) == (3, 30, True, False)

    recent.add(Noted(6, b"x" * 85))
    assert ([entry.place for entry in recent.since(0)], recent.size) == ([5, 6], 95)
    recent.add(Noted(7, b"x" * 500))
    assert [entry.place for entry in recent.since(0)] == [7]


async def test_a_journal_whose_entries_expired_at_the_start_does_not_keep_everybody_out(site: Site) -> None:
    await site.writes(event(1))
    follow, site.journal.follow = site.journal.follow, lambda after: follow(1)  # type: ignore[method-assign]
    await site.run()

    assert site.feed.newest == 1


async def test_what_has_happened_is_read_as_soon_as_the_journal_is_there(site: Site) -> None:
    site.journal.available = False
    site.running = asyncio.create_task(site.feed.run())
    await asyncio.sleep(5)
    with pytest.raises(RillcastError, match="the journal is away"):
        site.feed.check_begun()

    site.journal.available = True
    await eventually(lambda: site.feed.begun, 60.0, "the feed to begin")
    site.feed.check_begun()


async def test_silence_is_told_after_a_while(site: Site) -> None:
    await site.run()
    with site.feed.listening(None) as listener:
        async for events in listener.events(PAUSE_S):
            assert events == []
            break


async def test_only_so_many_listen_and_a_place_is_given_back(site: Site) -> None:
    await site.run()
    with ExitStack() as stack:
        for number in range(MOST_LISTENERS):
            stack.enter_context(site.feed.place(f"192.0.2.{number}"))
        with pytest.raises(RillcastError) as refused, site.feed.place("192.0.2.99"):
            pass
        assert refused.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    with site.feed.place("192.0.2.99"):
        pass


async def test_one_address_has_half_of_the_places_at_most(site: Site) -> None:
    await site.run()
    with ExitStack() as stack:
        for _ in range(MOST_LISTENERS // 2):
            stack.enter_context(site.feed.place("192.0.2.1"))
        with pytest.raises(RillcastError, match="of your address"), site.feed.place("192.0.2.1"):
            pass
        stack.enter_context(site.feed.place("192.0.2.2"))


async def test_everybody_is_let_go_when_the_instance_goes_and_nobody_let_in(site: Site) -> None:
    await site.run()
    with site.feed.listening(None) as listener:
        await site.feed.end()
        async with within(5.0, "the end"):
            assert [events async for events in listener.events(PAUSE_S)] == []
    with pytest.raises(RillcastError, match="going away"), site.feed.place(""):
        pass


async def test_an_entry_that_cannot_be_read_is_passed_over(site: Site) -> None:
    await site.run()
    await site.journal.append(b"nonsense")
    await site.writes(join(1))
    await site.journal.append(b'[%s, {"kind": 7}, %s]' % tuple(msgspec.json.encode(join(number)) for number in (2, 3)))
    await eventually(lambda: len(site.history) == 3, 5.0, "those beside it")


async def test_a_kind_of_a_newer_version_is_read_as_another_one(site: Site) -> None:
    await site.run()
    with site.feed.listening(None) as listener:
        await site.journal.append(b'[{"kind": "moon.rose", "at_ms": 7, "phase": "full"}]')
        (found,) = await heard(listener, 1)

    assert (found.event.kind, found.event.at_ms) == (EventKind.OTHER, 7)


async def test_the_history_has_each_join_once_the_newest_first_and_no_more_than_it_may(site: Site) -> None:
    await site.run()
    await site.writes(join(1), join(2), join(3))
    await site.writes(join(2, ended_ms=9, reason="stopped"), join(4))

    newest = [event.session for event in site.history.newest()]

    assert [fate.id for fate in newest if fate is not None] == ["id-4", "id-3", "id-2"]
    assert [fate.reason for fate in newest if fate is not None] == ["", "", "stopped"]


def test_what_comes_after_the_end_of_a_join_changes_nothing() -> None:
    history = SessionHistory()
    for one in (join(1, ended_ms=9, reason="stopped"), join(1), event(5)):
        history.apply(one, 100)

    (kept,) = history.newest()
    assert kept.session is not None
    assert kept.session.ended_ms == 9


def test_the_history_has_a_bound_of_bytes_and_counts_what_it_has() -> None:
    history = SessionHistory(most_bytes=1_000)
    for number in range(100):
        history.apply(join(number), 100)
        history.apply(join(number, ended_ms=9), 100 + number)
        assert history.size <= 1_000

    assert [event.at_ms for event in history.newest()] == [99, 98, 97, 96, 95]
    assert history.size == sum(100 + number for number in (99, 98, 97, 96, 95))


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        (Asked(), True),
        (Asked(app="live", node="edge-1", role="play", reason="stopped"), True),
        (Asked(app="other"), False),
        (Asked(stream="talk"), False),
        (Asked(role="publish"), False),
        (Asked(node="edge-2"), False),
        (Asked(zone="z"), False),
        (Asked(who="ada"), False),
        (Asked(reason="draining"), False),
        (Asked(since_ms=2_000, until_ms=2_000), True),
        (Asked(since_ms=1_000, until_ms=1_500), True),
        (Asked(until_ms=999), False),
        (Asked(since_ms=3_001), False),
        (Asked(node="edge-0"), True),
    ],
)
def test_joins_are_found_by_all_that_is_asked(asked: Asked, fits: bool) -> None:
    fate = SessionFate(
        id="id",
        role=Role.PLAY,
        asked_ms=1_000,
        ended_ms=3_000,
        reason="stopped",
        moves=1,
        trail=(SessionMove(at_ms=2_000, left="edge-0"),),
    )
    assert asked.fits(msgspec.structs.replace(join(1), session=fate)) is fits
