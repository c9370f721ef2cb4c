"""`rillcast backup` and `rillcast restore` against a real nats-server whose users may do what the table says."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rillcast.cli.run_folder import RunFolder
from rillcast.cli.store import backup as backup_module
from rillcast.cli.store.contents import KEPT
from rillcast.contracts import subjects
from rillcast.contracts.permissions import BUCKETS, BusUser
from rillcast.runtime.bus.nats_connection import NatsConnection
from rillcast.runtime.settings import NodeSettings
from rillcast.runtime.store.nats_kv import NatsKeyValue
from rillcast.testing.eventually import eventually, within
from rillcast.testing.servers import NatsServer, nats_server

MANY = 20_000
Store = dict[str, dict[str, bytes]]


@asynccontextmanager
async def connected(server: NatsServer, user: BusUser) -> AsyncIterator[NatsConnection]:
    seed = server.seeds.get(user, "")
    settings = NodeSettings.model_validate({"nats_url": server.url, "nats_nkey": seed, "connect_timeout_s": 5})
    connection = NatsConnection(settings, f"test-{user}", user=user)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def buckets(server: NatsServer) -> AsyncIterator[dict[str, NatsKeyValue]]:
    """All that last, made if they are missing."""
    async with connected(server, BusUser.LICENSE) as license_, connected(server, BusUser.SIGNALING) as signaling:
        doors = {BusUser.LICENSE: license_, BusUser.SIGNALING: signaling}
        for row in BUCKETS:
            await NatsKeyValue(license_, row.name, row.lease_s).open()
        yield {kept.bucket.name: NatsKeyValue(doors[kept.owner], kept.bucket.name) for kept in KEPT}


async def fill(server: NatsServer, records: Mapping[str, Mapping[str, bytes]]) -> None:
    async with buckets(server) as opened:
        for name, entries in records.items():
            pairs = list(entries.items())
            for start in range(0, len(pairs), 200):
                await asyncio.gather(*(opened[name].put(*pair) for pair in pairs[start : start + 200]))


async def held(server: NatsServer) -> Store:
    async with buckets(server) as opened:
        found = {name: await bucket.entries() for name, bucket in opened.items()}
    return {name: {one.key: one.value or b"" for one in entries} for name, entries in found.items() if entries}


@dataclass
class Ran:
    code: int
    out: str
    err: str
    peak_kib: int
    """Of the process, while it ran."""


async def rillcast(server: NatsServer, *words: str, keys: bool = True, **settings: str) -> Ran:
    """The command, as a process of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RILLCAST_")}
    own |= {
        "RILLCAST_NATS_URL": server.url,
        "RILLCAST_RUN_DIR": str(server.folder / "none"),
        "COLUMNS": "300",
    } | settings
    shown = ["--keys", str(server.folder / "nats-keys")] if keys and server.seeds else []
    program = (
        "import resource, sys\nfrom rillcast.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *words, *shown), env=own, stdout=PIPE, stderr=PIPE
    )
    async with within(150, f"the end of rillcast {words[0]}"):
        out, err = await process.communicate()
    said, _, peak = err.decode().rpartition("PEAK ")
    return Ran(process.returncode or 0, out.decode(errors="replace"), said, int(peak))


def some_of_everything() -> Store:
    store: Store = {kept.bucket.name: {"a": b'{"a":1}', "b/c": bytes(range(256))} for kept in KEPT}
    store[subjects.BUCKET_APPS]["empty"] = b""
    store[subjects.BUCKET_BROADCASTS]["live/large"] = b"x" * 1_000_000
    return store


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server(users=True) as running:
        yield running


async def test_what_is_backed_up_is_restored_into_an_empty_nats(server: NatsServer, tmp_path: Path) -> None:
    store, file = some_of_everything(), tmp_path / "store.backup"
    await fill(server, store)
    async with buckets(server) as opened:
        await opened[subjects.BUCKET_LICENSE_STATE].put("ledger", b"of the old cluster")
        await opened[subjects.BUCKET_TOKENS].put("used", b"up")
        await opened[subjects.BUCKET_TOKENS].delete("used")

    made = await rillcast(server, "backup", str(file))

    assert (made.code, made.out) == (0, ""), made.err
    assert f"{sum(map(len, store.values()))} records are in {file}" in made.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"used" not in file.read_bytes()
    async with nats_server(users=True) as empty:
        done = await rillcast(empty, "restore", str(file))
        assert done.code == 0, done.err
        assert await held(empty) == store


async def test_a_store_that_has_something_is_left_alone_and_replaced_only_when_that_is_said(
    server: NatsServer, tmp_path: Path
) -> None:
    store, file = some_of_everything(), tmp_path / "store.backup"
    await fill(server, store)
    assert (await rillcast(server, "backup", str(file))).code == 0
    other = {subjects.BUCKET_APPS: {"a": b"changed", "new": b"since"}, subjects.BUCKET_ACCOUNTS: {"eve": b"{}"}}
    async with nats_server(users=True) as used:
        await fill(used, other | {subjects.BUCKET_LICENSE_STATE: {"ledger": b"of now"}})
        before = await held(used)

        refused = await rillcast(used, "restore", str(file))

        assert refused.code == 1
        assert "the store is not empty (rillcast_accounts, rillcast_apps), and nothing was written" in refused.err
        assert await held(used) == before
        done = await rillcast(used, "restore", str(file), "--replace")
        assert done.code == 0, done.err
        assert "2 that it does not have were removed" in done.out
        expected = {name: dict(entries) for name, entries in store.items()}
        expected[subjects.BUCKET_LICENSE_STATE]["ledger"] = b"of now"
        assert await held(used) == expected


@pytest.mark.timeout(400)
async def test_twenty_thousand_records_go_there_and_back_in_bounded_memory(server: NatsServer, tmp_path: Path) -> None:
    small, large = tmp_path / "small.backup", tmp_path / "large.backup"
    await fill(server, {subjects.BUCKET_SUBSCRIBERS: {"live/0/0": b"x"}})
    little = await rillcast(server, "backup", str(small))
    many = {f"live/talk-{n % 100}/{n}": b"%08d" % n * 250 for n in range(MANY)}  # 40 MB
    await fill(server, {subjects.BUCKET_SUBSCRIBERS: many})

    made = await rillcast(server, "backup", str(large))

    assert made.code == 0, made.err
    assert f"{MANY + 1} records are in {large}" in made.err
    assert large.stat().st_size > 40_000_000
    assert made.peak_kib < little.peak_kib + 16_384
    async with nats_server(users=True) as empty:
        done = await rillcast(empty, "restore", str(large))
        assert done.code == 0, done.err
        assert done.peak_kib < little.peak_kib + 24_576
        assert (await held(empty))[subjects.BUCKET_SUBSCRIBERS] == many | {"live/0/0": b"x"}


async def test_a_file_that_was_cut_is_named_and_nothing_of_it_is_written(server: NatsServer, tmp_path: Path) -> None:
    file = tmp_path / "store.backup"
    await fill(server, some_of_everything())
    assert (await rillcast(server, "backup", str(file))).code == 0
    whole = file.read_bytes()
    cut = tmp_path / "cut.backup"
    cut.write_bytes(whole[: len(whole) // 2])
    async with nats_server(users=True) as empty:
        refused = await rillcast(empty, "restore", str(cut))

        assert refused.code == 1
        assert f"{cut} cannot be used: it is cut off in line" in refused.err
        assert await held(empty) == {}


async def test_what_is_written_meanwhile_is_in_the_backup_or_comes_after_it(server: NatsServer, tmp_path: Path) -> None:
    """A writer counts up in two buckets in turn: of a store at one moment, they differ by one at most."""
    file, stop = tmp_path / "store.backup", asyncio.Event()
    await fill(server, {subjects.BUCKET_BROADCASTS: {f"live/{n}": b"{}" for n in range(2_000)}})

    async def count(opened: Mapping[str, NatsKeyValue]) -> None:
        number = 0
        while not stop.is_set() and number < 300:
            number += 1
            for name in (subjects.BUCKET_SECRETS, subjects.BUCKET_SUBSCRIBERS):
                await opened[name].put("count", b"%d" % number)
            await opened[subjects.BUCKET_SUBSCRIBERS].put(f"s/{number}", b"{}")
            await opened[subjects.BUCKET_SUBSCRIBERS].delete(f"s/{number}")

    async with buckets(server) as opened:
        counting = asyncio.create_task(count(opened))
        made = await rillcast(server, "backup", str(file))
        stop.set()
        await counting
    assert made.code == 0, made.err
    assert "of a moment of its own" not in made.err
    async with nats_server(users=True) as empty:
        assert (await rillcast(empty, "restore", str(file))).code == 0
        found = await held(empty)
    first = int(found[subjects.BUCKET_SECRETS]["count"])
    second = int(found[subjects.BUCKET_SUBSCRIBERS]["count"])
    assert first - second in {0, 1}
    assert len(found[subjects.BUCKET_SUBSCRIBERS]) <= 2, "of those that were deleted at once, the last may be there"
    assert len(found[subjects.BUCKET_BROADCASTS]) == 2_000


async def test_a_store_that_never_rests_is_backed_up_and_the_file_says_so(
    server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_module, "SETTLE_S", 0.3)
    monkeypatch.setenv("RILLCAST_NATS_URL", server.url)
    await fill(server, some_of_everything())
    file, stop = tmp_path / "store.backup", asyncio.Event()

    async def write(opened: Mapping[str, NatsKeyValue]) -> None:
        while not stop.is_set():
            await opened[subjects.BUCKET_TOKENS].put("busy", b"x")

    async with buckets(server) as opened:
        busy = [asyncio.create_task(write(opened)) for _ in range(4)]
        with file.open("wb") as opened_file:
            running = RunFolder(tmp_path / "none")
            made = await backup_module.back_up(opened_file, running, server.folder / "nats-keys")
        stop.set()
        await asyncio.gather(*busy)

    assert not made.at_one_moment
    last = json.loads(file.read_bytes().splitlines()[-1][17:])
    assert last["at_one_moment"] is False
    async with nats_server(users=True) as empty:
        assert (await rillcast(empty, "restore", str(file))).code == 0
        assert subjects.BUCKET_TOKENS in await held(empty)


async def test_nats_without_users_needs_no_keys(tmp_path: Path) -> None:
    store, file = {subjects.BUCKET_APPS: {"live": b"{}"}}, tmp_path / "store.backup"
    async with nats_server() as server:
        await fill(server, store)
        assert (await rillcast(server, "backup", str(file))).code == 0
    async with nats_server() as empty:
        assert (await rillcast(empty, "restore", str(file))).code == 0
        assert await held(empty) == store


async def test_without_a_key_of_license_it_says_which_is_missing(server: NatsServer, tmp_path: Path) -> None:
    await fill(server, some_of_everything())
    (tmp_path / "signaling.nkey").write_text(server.seeds[BusUser.SIGNALING])
    file = tmp_path / "store.backup"

    made = await rillcast(server, "backup", str(file), "--keys", str(tmp_path), keys=False)

    assert made.code == 1
    assert f"the key of license is not in {tmp_path}: there is neither license.nkey nor license/nats.nkey" in made.err
    assert not file.exists()


async def test_the_key_of_another_kind_reads_nothing(server: NatsServer, tmp_path: Path) -> None:
    await fill(server, some_of_everything())
    file = tmp_path / "store.backup"

    made = await rillcast(server, "backup", str(file), keys=False, RILLCAST_TOOLS_NATS_NKEY=server.seeds[BusUser.TOOLS])

    assert made.code == 1
    assert "NATS does not let" in made.err
    assert "--keys" in made.err
    assert not file.exists()


async def test_an_existing_file_is_not_overwritten(server: NatsServer, tmp_path: Path) -> None:
    await fill(server, some_of_everything())
    file = tmp_path / "store.backup"
    file.write_text("precious")

    made = await rillcast(server, "backup", str(file))

    assert made.code == 1
    assert "is there already" in made.err
    assert file.read_text() == "precious"


async def test_a_backup_goes_to_the_standard_output_for_whoever_encrypts_it(server: NatsServer) -> None:
    await fill(server, {subjects.BUCKET_APPS: {"live": b"{}"}})

    made = await rillcast(server, "backup", "-")

    assert made.code == 0, made.err
    assert made.out.startswith("rillcast-backup 1\n")
    assert '["rillcast_apps","live","e30="]' in made.out


async def test_a_store_that_goes_away_meanwhile_leaves_no_file(server: NatsServer, tmp_path: Path) -> None:
    await fill(server, {subjects.BUCKET_SUBSCRIBERS: {f"s/{n}": b"x" * 2_000 for n in range(5_000)}})
    file = tmp_path / "store.backup"
    backup = asyncio.create_task(rillcast(server, "backup", str(file)))
    unfinished = tmp_path / "store.backup.unfinished"
    await eventually(lambda: unfinished.exists() and unfinished.stat().st_size > 100_000, 30, "a part of the backup")

    await server.kill()
    made = await backup

    assert made.code == 1
    assert "store rillcast_" in made.err
    assert os.listdir(tmp_path) == []
