"""What every `Journal` does: the same tests on the fake and on JetStream."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from rillcast.contracts.permissions import BusUser
from rillcast.contracts.permissions import Journal as Row
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.ports import Journal, Noted
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_journal import NatsJournal
from rillcast.testing.eventually import within
from rillcast.testing.journal import FakeJournal
from rillcast.testing.servers import nats_server

ROW = Row(
    "contract",
    frozenset({BusUser.SIGNALING}),
    most=5,
    most_bytes=1_000_000,
    most_bytes_each=10_000,
    kept_s=600.0,
)


@pytest.fixture(params=["fake", "jetstream"])
async def journal(request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    if request.param == "fake":
        yield FakeJournal(ROW)
        return
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url, connect_timeout_s=30), "test")
        await connection.open()
        made = NatsJournal(connection, ROW)
        await made.open()
        yield made
        await connection.close()


async def read(journal: Journal, after: int, many: int) -> list[Noted]:
    """The next so many entries."""
    found: list[Noted] = []
    async with within(20.0, f"{many} entries"), journal.follow(after) as entries:
        async for entry in entries:
            found.append(entry)
            if len(found) == many:
                break
    return found


async def test_entries_come_in_their_order_with_growing_numbers(journal: Journal) -> None:
    for value in (b"1", b"2", b"3"):
        await journal.append(value)

    found = await read(journal, 0, 3)

    assert [entry.value for entry in found] == [b"1", b"2", b"3"]
    assert sorted({entry.place for entry in found}) == [entry.place for entry in found]
    assert await journal.bounds() == (found[0].place, found[-1].place)


async def test_who_follows_from_a_place_gets_what_came_after_it_and_then_what_comes(journal: Journal) -> None:
    await journal.append(b"before")
    _, after = await journal.bounds()
    async with within(20.0, "both entries"), journal.follow(after) as entries:
        await journal.append(b"first")
        assert (await anext(entries)).value == b"first"
        await journal.append(b"second")
        assert (await anext(entries)).value == b"second"


async def test_whatever_comes_into_a_new_journal_is_after_its_last_entry(journal: Journal) -> None:
    oldest, newest = await journal.bounds()
    assert oldest == newest + 1
    async with within(20.0, "the entry"), journal.follow(newest) as entries:
        await journal.append(b"first")
        assert await anext(entries) == Noted(oldest, b"first")


async def test_the_oldest_go_first_when_there_is_no_more_room(journal: Journal) -> None:
    for number in range(ROW.most + 2):
        await journal.append(str(number).encode())

    found = await read(journal, 0, ROW.most)
    assert [entry.value for entry in found] == [b"2", b"3", b"4", b"5", b"6"]
    assert await journal.bounds() == (found[0].place, found[-1].place)
    assert [entry.place - found[0].place for entry in found] == [0, 1, 2, 3, 4]


async def test_what_has_the_same_name_is_written_once(journal: Journal) -> None:
    for value in (b"1", b"2"):
        await journal.append(value, name="same")
    await journal.append(b"3")
    await journal.append(b"4")

    assert [entry.value for entry in await read(journal, 0, 3)] == [b"1", b"3", b"4"]


async def test_what_is_too_large_is_a_fault_of_the_caller(journal: Journal) -> None:
    with pytest.raises(ValueError, match="too large"):
        await journal.append(b"x" * ROW.most_bytes_each)
