"""What operators set for all servers and write about nodes, with the store in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from rillcast.contracts.errors import RillcastError
from rillcast.contracts.ids import NodeId
from rillcast.contracts.server_records import SETTINGS_KEY, ServerRecord
from rillcast.contracts.words import LogLevel
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.signaling.core.usecases import server_store
from services.signaling.core.usecases.server_store import ServerStore
from services.signaling.rest.domain import server_settings as rules
from services.signaling.rest.domain.server_settings import PostedSettings, ServerSettings, SettingsRefused

EDGE = NodeId("edge-1")
HELD = ServerSettings(
    host_address="192.0.2.7",
    log_level=LogLevel.INFO,
    default_http_port=5080,
    jwt_server_control_enabled=True,
    jwks_url="",
    ssl_enabled=True,
    licence_key="L1",
)


@pytest.fixture
async def stores() -> AsyncIterator[tuple[ServerStore, ServerStore]]:
    """Of two instances."""
    bucket = FakeKeyValue()
    both = ServerStore(bucket), ServerStore(bucket)
    tasks = [asyncio.create_task(one.run()) for one in both]
    yield both
    for task in tasks:
        task.cancel()


async def test_what_one_instance_sets_holds_at_all(stores: tuple[ServerStore, ServerStore]) -> None:
    one, other = stores
    await one.change(lambda record: rules.changed(record, PostedSettings(log_level="DEBUG")))
    assert one.record.log_level is LogLevel.DEBUG
    await eventually(lambda: other.record == one.record, 5, "the other instance")


async def test_two_instances_that_write_at_once_lose_nothing(stores: tuple[ServerStore, ServerStore]) -> None:
    posted = PostedSettings(server_name="live.example.com"), PostedSettings(log_level="ERROR")

    async def post(store: ServerStore, given: PostedSettings) -> None:
        await store.change(lambda record: rules.changed(record, given))

    await asyncio.gather(*map(post, stores, posted))
    expected = ServerRecord(server_name="live.example.com", log_level=LogLevel.ERROR)
    await eventually(lambda: [store.record for store in stores] == [expected] * 2, 5, "both changes")


async def test_what_makes_no_sense_in_the_store_leaves_the_former_and_is_mended() -> None:
    bucket = FakeKeyValue()
    await bucket.put(SETTINGS_KEY, b'{"logLevel":"LOUD"}')
    await bucket.put("note/edge-1", b"[]")
    store = ServerStore(bucket)
    running = asyncio.create_task(store.run())
    await store.change(lambda record: rules.changed(record, PostedSettings(log_level="WARN")))
    assert store.record == ServerRecord(log_level=LogLevel.WARN)
    assert store.note(EDGE) == ""
    running.cancel()


async def test_notes_are_seen_by_all_and_taken_away(stores: tuple[ServerStore, ServerStore]) -> None:
    one, other = stores
    await one.write_note(EDGE, "in the cellar", {EDGE})
    await eventually(lambda: other.note(EDGE) == "in the cellar", 5, "the note")
    await other.write_note(EDGE, "", {EDGE})
    assert other.note(EDGE) == ""
    await eventually(lambda: one.note(EDGE) == "", 5, "no note")


async def test_notes_about_nodes_that_are_gone_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_store, "MOST_NOTES", 2)
    store, nodes = ServerStore(FakeKeyValue()), [NodeId(f"edge-{number}") for number in range(4)]
    for node in nodes[:2]:
        await store.write_note(node, "x", set(nodes))
    with pytest.raises(RillcastError, match="notes about 2 nodes"):
        await store.write_note(nodes[2], "x", set(nodes))
    await store.write_note(nodes[0], "y", set(nodes))
    await store.write_note(nodes[2], "z", set(nodes[1:]))
    assert [store.note(node) for node in nodes] == ["", "x", "z", ""]


def test_what_is_posted_as_it_was_read_is_never_refused() -> None:
    posted = msgspec.convert(msgspec.to_builtins(HELD), PostedSettings)
    assert rules.refusal_of(HELD, posted) == ""
    assert rules.changed(ServerRecord(), posted) == ServerRecord(log_level=LogLevel.INFO)


@pytest.mark.parametrize(
    "field", [name for name in PostedSettings.__struct_fields__ if name not in ("server_name", "log_level")]
)
def test_whatever_does_not_act_is_refused_by_name_when_it_is_set_to_something_else(field: str) -> None:
    held = getattr(HELD, field)
    other = not held if isinstance(held, bool) else held + 1 if isinstance(held, int) else "something else"
    key = next(one.encode_name for one in msgspec.structs.fields(PostedSettings) if one.name == field)
    posted = msgspec.convert({key: other, "logLevel": "DEBUG"}, PostedSettings)
    words = rules.refusal_of(HELD, posted)
    assert words.startswith(f"{key} cannot be changed by REST: ")
    assert "something else" not in words
    assert words.endswith("Nothing was changed")


def test_a_license_is_not_taken_away_by_an_empty_key() -> None:
    assert "licenceKey" in rules.refusal_of(HELD, PostedSettings(licence_key=""))
    free = msgspec.structs.replace(HELD, licence_key="")
    assert rules.refusal_of(free, PostedSettings(licence_key="")) == ""


@pytest.mark.parametrize("name", ["https://x", "a b", "-", "x/y", "ä", "x" * 300, "a\nb", "_x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsRefused, match="host name"):
        rules.changed(ServerRecord(), PostedSettings(server_name=name))


@pytest.mark.parametrize("name", ["live.example.com", "192.0.2.7", "localhost", "a", ""])
def test_a_host_is_a_name(name: str) -> None:
    assert rules.changed(ServerRecord(), PostedSettings(server_name=f" {name} ")).server_name == name


def test_a_level_that_there_is_not_is_refused() -> None:
    assert rules.refusal_of(HELD, PostedSettings(log_level="warn")).startswith("logLevel must be one of ALL, TRACE")
