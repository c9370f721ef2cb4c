"""A cluster that gets a journal while it runs: no process ends for want of it, and what was noted meanwhile is there
in the end, in whatever order NATS and the nodes are upgraded."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from rillcast.contracts import permissions
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.event_records import ClusterEvent, EventKind
from rillcast.contracts.permissions import JOURNALS, BusUser
from rillcast.contracts.words import NodeKind
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.bus.nats_users import server_config
from rillcast.runtime.ports import Journal
from rillcast.runtime.process.buckets import NodeBuckets
from rillcast.runtime.settings import NodeSettings
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, nats_server
from services.signaling.core.domain.session_history import SessionHistory
from services.signaling.core.usecases import chronicle, event_feed
from services.signaling.core.usecases.chronicle import Chronicle
from services.signaling.core.usecases.event_feed import EventFeed
from tests.integration.test_bus_permissions import connected

(ROW,) = JOURNALS
SETTINGS = NodeSettings(connect_timeout_s=10)


@pytest.fixture(autouse=True)
def tries_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (chronicle, event_feed):
        monkeypatch.setattr(module, "RETRY_S", 0.2)
        monkeypatch.setattr(module, "LATEST_RETRY_S", 0.2)


class Signaling:
    """The part of a signaling instance that uses the journal."""

    def __init__(self, journal: Journal) -> None:
        self.chronicle = Chronicle(journal, "signaling-1/x")
        self.feed = EventFeed(journal, SessionHistory())

    def note(self, number: int) -> None:
        self.chronicle.note(ClusterEvent(kind=EventKind.NODE_JOINED, at_ms=number, node="n"))

    async def has_written(self) -> None:
        await eventually(lambda: not len(self.chronicle) and self.feed.begun, 30.0, "the events in the journal")
        await eventually(lambda: self.feed.size[0], 10.0, "the entry that is read")


@asynccontextmanager
async def signaling_at(connection: NatsConnection) -> AsyncIterator[Signaling]:
    made = Signaling(NodeBuckets(SETTINGS, NodeKind.SIGNALING, connection).journal(ROW))
    tasks = [asyncio.create_task(work) for work in (made.chronicle.run(), made.feed.run())]
    try:
        yield made
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def license_service_at(connection: NatsConnection) -> AsyncIterator[NodeBuckets]:
    """Of this version: it makes what is missing, and looks after it."""
    buckets = NodeBuckets(SETTINGS, NodeKind.LICENSE, connection)
    await buckets.make_all({})
    keeping = asyncio.create_task(buckets.keep())
    try:
        yield buckets
        assert not keeping.done()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def allow(server: NatsServer) -> None:
    """NATS is given the users of this version."""
    (server.folder / "nats.conf").write_text(server_config(server.seeds))


@pytest.fixture
async def older(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsServer]:
    """A NATS server with the users of a version without journals."""
    with monkeypatch.context() as before:
        before.setattr(permissions, "JOURNALS", ())
        server = nats_server(users=True)
        started = await server.__aenter__()
    yield started
    await server.__aexit__(None, None, None)


def refusal(upgraded: Signaling) -> str:
    """Why it is not known what has happened."""
    with pytest.raises(RillcastError) as refused:
        upgraded.feed.check_begun()
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE
    return refused.value.message


async def test_signaling_that_is_upgraded_before_the_license_service_writes_once_that_is_too() -> None:
    async with (
        nats_server(users=True) as server,
        connected(server, BusUser.SIGNALING) as connection,
        signaling_at(connection) as upgraded,
    ):
        upgraded.note(1)
        words = "it is not there yet; a license service of this version makes it"
        await eventually(lambda: words in refusal(upgraded), 20.0, "the reason")
        assert len(upgraded.chronicle) == 1

        async with connected(server, BusUser.LICENSE) as license_connection, license_service_at(license_connection):
            await upgraded.has_written()


async def test_nodes_that_are_upgraded_before_the_users_of_nats_run_and_write_once_they_may(
    older: NatsServer,
) -> None:
    async with (
        connected(older, BusUser.LICENSE) as license_connection,
        license_service_at(license_connection),
        connected(older, BusUser.SIGNALING) as connection,
        signaling_at(connection) as upgraded,
    ):
        upgraded.note(1)

        await eventually(lambda: "NATS does not let signaling" in refusal(upgraded), 20.0, "the reason")
        assert len(upgraded.chronicle) == 1

        allow(older)
        await older.stop()
        await older.start()
        await upgraded.has_written()


async def test_users_of_nats_that_are_read_anew_while_it_runs_are_found_as_well(
    older: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillcast.runtime.store.nats_journal._DENIED_S", 1.0)
    async with (
        connected(older, BusUser.LICENSE) as license_connection,
        license_service_at(license_connection),
        connected(older, BusUser.SIGNALING) as connection,
        signaling_at(connection) as upgraded,
    ):
        upgraded.note(1)
        allow(older)
        older._process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
        await upgraded.has_written()


async def test_a_journal_of_another_size_is_given_ours_and_keeps_what_it_has() -> None:
    async with nats_server(users=True) as server, connected(server, BusUser.LICENSE) as license_connection:
        before = NodeBuckets(SETTINGS, NodeKind.LICENSE, license_connection)
        await before.journal(replace(ROW, most=10, most_bytes=1_000_000)).open()
        async with connected(server, BusUser.SIGNALING) as connection, signaling_at(connection) as upgraded:
            upgraded.note(1)
            await upgraded.has_written()
            async with license_service_at(license_connection):
                info = await license_connection.client.jetstream().stream_info(ROW.stream)

    assert (info.config.max_msgs, info.config.max_bytes, info.state.messages) == (ROW.most, ROW.most_bytes, 1)


async def test_whoever_follows_goes_on_where_it_was_when_nats_comes_back() -> None:
    async with (
        nats_server(users=True) as server,
        connected(server, BusUser.LICENSE) as license_connection,
        license_service_at(license_connection),
        connected(server, BusUser.SIGNALING) as connection,
    ):
        journal = NodeBuckets(SETTINGS, NodeKind.SIGNALING, connection).journal(ROW)
        await journal.append(b"before")
        async with within(60.0, "both entries"), journal.follow(0) as entries:
            first = await anext(entries)
            await server.stop()
            await server.start()

            async def append() -> bool:
                await journal.append(b"after", "once")
                return True

            await eventually(append, 30.0, "the second entry", not_yet=(RillcastError,))
            second = await anext(entries)

    assert [(first.value, second.value), second.place - first.place] == [(b"before", b"after"), 1]
