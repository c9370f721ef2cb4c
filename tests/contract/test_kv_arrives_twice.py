"""A compare-and-set that arrives at JetStream twice, as it may while another server becomes the leader."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import nats.js.errors
import pytest
from nats.js import JetStreamContext, api

from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.servers import nats_server


class ArrivesTwice(JetStreamContext):
    """Every write arrives a second time, and only that is answered."""

    writes = 0

    async def publish(self, subject: str, payload: bytes = b"", *rest: Any, **more: Any) -> api.PubAck:
        self.writes += 1
        with suppress(nats.js.errors.APIError):
            await super().publish(subject, payload, *rest, **more)
        return await super().publish(subject, payload, *rest, **more)


@pytest.fixture
async def connection() -> AsyncIterator[NatsConnection]:
    async with nats_server() as server:
        connection = NatsConnection(NodeSettings(nats_url=server.url, connect_timeout_s=30), "test")
        await connection.open()
        yield connection
        await connection.close()


@pytest.fixture
def twice(connection: NatsConnection) -> ArrivesTwice:
    return ArrivesTwice(connection.client, timeout=2.0)


@pytest.fixture
def bucket(connection: NatsConnection, twice: ArrivesTwice, monkeypatch: pytest.MonkeyPatch) -> NatsKeyValue:
    """One whose writes arrive twice."""
    bucket = NatsKeyValue(connection, "echoes")
    monkeypatch.setattr(bucket._store, "jetstream", lambda: twice)
    return bucket


async def test_its_writer_is_told_that_it_happened(bucket: NatsKeyValue, twice: ArrivesTwice) -> None:
    await bucket.open()
    first = await bucket.create("key", b"1")
    assert first is not None
    second = await bucket.update("key", b"2", first)
    assert second is not None
    entry = await bucket.get("key")
    assert entry is not None
    assert (entry.value, entry.revision) == (b"2", second)
    assert await bucket.delete("key", second)
    again = await bucket.create("key", b"2")
    assert again is not None, "over the mark that a deletion leaves"
    assert twice.writes >= 4


async def test_nobody_takes_a_write_of_others_for_its_own(connection: NatsConnection, bucket: NatsKeyValue) -> None:
    other = NatsKeyValue(connection, "echoes")
    await bucket.open()
    first = await bucket.create("key", b"same")
    assert first is not None
    taken = await other.update("key", b"same", first)
    assert taken is not None
    assert await bucket.update("key", b"same", first) is None, "equal in value, written by somebody else"
    assert await bucket.create("key", b"same") is None
    assert not await bucket.delete("key", first)
    entry = await other.get("key")
    assert entry is not None
    assert entry.revision == taken
