"""Events go into the journal in batches, bounded whatever happens, and none is lost while there is room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import (
    EVENTS_IN_ENTRY,
    MOST_ENTRY_BYTES,
    ClusterEvent,
    EventKind,
    SessionFate,
)
from rillcast.contracts.permissions import JOURNALS
from rillcast.contracts.words import Role
from rillcast.testing.journal import FakeJournal
from services.signaling.core.usecases import chronicle as module
from services.signaling.core.usecases.chronicle import GATHER_S, MOST_WAITING, REFUSAL_BURST, RETRY_S, Chronicle
from services.signaling.metrics import EVENTS_DROPPED

AFTER = GATHER_S + 0.1


def event(number: int = 0, kind: EventKind = EventKind.VIEWER_JOINED) -> ClusterEvent:
    return ClusterEvent(kind=kind, at_ms=number)


def dropped(reason: str) -> float:
    return float(EVENTS_DROPPED.labels(reason)._value.get())


class Site:
    """A chronicle that runs."""

    def __init__(self) -> None:
        self.journal = FakeJournal(JOURNALS[0])
        self.chronicle = Chronicle(self.journal, "signaling-1/x")

    def written(self) -> list[list[int]]:
        """The times of the events in each entry."""
        entries = [msgspec.json.decode(entry.value, type=list[ClusterEvent]) for entry in self.journal.entries]
        return [[one.at_ms for one in entry] for entry in entries]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    running = asyncio.create_task(made.chronicle.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_happens_together_is_one_entry(site: Site) -> None:
    for number in range(5):
        site.chronicle.note(event(number))
    await asyncio.sleep(AFTER)

    assert site.written() == [[0, 1, 2, 3, 4]]
    assert len(site.chronicle) == 0


async def test_an_entry_has_so_many_events_at_most(site: Site) -> None:
    for number in range(EVENTS_IN_ENTRY + 1):
        site.chronicle.note(event(number))
    await asyncio.sleep(AFTER)

    assert [len(entry) for entry in site.written()] == [EVENTS_IN_ENTRY, 1]


async def test_an_event_with_a_name_is_an_entry_by_itself_and_written_once(site: Site) -> None:
    other = Chronicle(site.journal, "signaling-2/y")
    running = asyncio.create_task(other.run())
    for chronicle in (site.chronicle, other):
        chronicle.note(event(1))
        chronicle.note(event(2, EventKind.STREAM_STARTED), "stream.started/live/s")
        chronicle.note(event(3))
    await asyncio.sleep(AFTER)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert sorted(site.written()) == [[1], [1], [2], [3], [3]]


async def test_events_wait_while_the_store_is_away_and_keep_their_order(site: Site) -> None:
    site.journal.available = False
    site.chronicle.note(event(1))
    await asyncio.sleep(AFTER)
    site.chronicle.note(event(2))
    await asyncio.sleep(AFTER)
    assert len(site.chronicle) == 2

    site.journal.available = True
    await asyncio.sleep(RETRY_S + AFTER)

    assert [number for entry in site.written() for number in entry] == [1, 2]


async def test_only_so_many_wait_and_the_rest_is_counted(site: Site) -> None:
    site.journal.available = False
    before = dropped("full")
    for number in range(MOST_WAITING + 3):
        site.chronicle.note(event(number))

    assert len(site.chronicle) == MOST_WAITING
    assert dropped("full") - before == 3


async def test_of_refused_joins_only_so_many_are_kept_and_other_events_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFUSALS_PER_S", 2.0)
    before = dropped("refusals")
    for _ in range(int(REFUSAL_BURST) + 10):
        site.chronicle.note(event(kind=EventKind.JOIN_REFUSED))
    site.chronicle.note(event())
    assert dropped("refusals") - before == 10
    assert len(site.chronicle) == REFUSAL_BURST + 1

    await asyncio.sleep(5.0)
    for _ in range(20):
        site.chronicle.note(event(kind=EventKind.JOIN_REFUSED))

    assert dropped("refusals") - before == 20


async def test_entries_stay_small_whatever_strangers_call_themselves(site: Site) -> None:
    worst = "\x01" * 256  # each is six bytes of JSON
    fate = SessionFate(id=worst, role=Role.PLAY, who=worst, address=worst, instance=worst, reason=worst)
    for number in range(int(REFUSAL_BURST)):
        site.chronicle.note(
            ClusterEvent(kind=EventKind.JOIN_REFUSED, at_ms=number, app=worst, stream=worst, session=fate)
        )
    await asyncio.sleep(AFTER)

    assert [number for entry in site.written() for number in entry] == list(range(int(REFUSAL_BURST)))
    assert max(len(entry.value) for entry in site.journal.entries) <= MOST_ENTRY_BYTES


async def test_an_event_that_no_entry_can_have_is_dropped_and_counted(site: Site) -> None:
    before = dropped("too_large")
    site.chronicle.note(ClusterEvent(kind=EventKind.NODE_LEFT, at_ms=1, why="x" * MOST_ENTRY_BYTES))

    assert (len(site.chronicle), dropped("too_large") - before) == (0, 1)


async def test_only_so_many_bytes_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 100)
    before = dropped("full")
    for _ in range(2):
        site.chronicle.note(ClusterEvent(kind=EventKind.NODE_LEFT, at_ms=1, why="x" * 60))
    assert (len(site.chronicle), dropped("full") - before) == (1, 1)

    await asyncio.sleep(AFTER)
    site.chronicle.note(event())

    assert len(site.chronicle) == 1


class Unsure(FakeJournal):
    """Takes the first entry in, and says that it did not."""

    async def append(self, value: bytes, name: str = "") -> None:
        first = not self.entries
        await super().append(value, name)
        if first:
            raise RillcastError(ErrorCode.STORE_UNAVAILABLE, "no answer came")


async def test_what_the_store_took_in_without_a_word_is_not_written_twice() -> None:
    journal = Unsure(JOURNALS[0])
    chronicle = Chronicle(journal, "signaling-1/x")
    running = asyncio.create_task(chronicle.run())
    chronicle.note(event(1))
    await asyncio.sleep(AFTER)
    chronicle.note(event(2))
    await asyncio.sleep(RETRY_S + AFTER)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert [msgspec.json.decode(entry.value) for entry in journal.entries] == [
        [{"kind": "viewer.joined", "at_ms": 1}],
        [{"kind": "viewer.joined", "at_ms": 2}],
    ]


@pytest.mark.parametrize("available", [True, False])
async def test_a_process_that_ends_writes_what_waits_if_the_store_takes_it(available: bool) -> None:
    journal = FakeJournal(JOURNALS[0])
    journal.available = available
    chronicle = Chronicle(journal, "signaling-1/x")
    before = dropped("ended")
    running = asyncio.create_task(chronicle.run())
    await asyncio.sleep(0)
    chronicle.note(event(1))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(journal.entries) == available
    assert dropped("ended") - before == (not available)
    assert running.cancelled()
