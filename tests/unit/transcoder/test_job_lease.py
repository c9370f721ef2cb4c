"""The lease on one job: its record, whose it is, and what the job hears when it ends."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from rillcast.cluster.stream_directory import LiveStream
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.ids import LADDER, ClaimId, NodeId, SessionId, StreamId
from rillcast.contracts.records import RenditionRecord, StreamRecord, TrackRecord
from rillcast.testing.eventually import eventually
from rillcast.testing.kv import FakeKeyValue
from services.transcoder.usecases.job_lease import JobLease
from tests.unit.transcoder.cluster import APP, KEY, ORIGIN, SIZED, STREAM, VIDEO

LEASE_S = 6.0
JOB = f"{KEY}/ladder"
WALL_MS = 1_790_000_000_000


def live() -> LiveStream:
    record = StreamRecord(app=APP, stream=STREAM, owner=ORIGIN, publisher_session=SessionId("s"), tracks=(VIDEO,))
    return LiveStream(KEY, record, Epoch(5, ClaimId("c5")), (), ())


class Held:
    """A lease of one node, with the tracks that its record shall name."""

    def __init__(self, store: FakeKeyValue, node: str = "transcoder-1") -> None:
        self.store = store
        self.tracks: tuple[TrackRecord, ...] = ()
        self.losses = 0
        self.lease = JobLease(
            store,
            kind=LADDER,
            node=NodeId(node),
            live=live(),
            tracks=lambda: self.tracks,
            clock=asyncio.get_running_loop().time,
            wall_ms=lambda: WALL_MS,
            lease_s=LEASE_S,
        )

    async def keep(self) -> None:
        assert await self.lease.claim()
        self.lease.keep(self._lost)

    async def record(self) -> RenditionRecord | None:
        entry = await self.store.get(JOB)
        return msgspec.json.decode(entry.value, type=RenditionRecord) if entry and entry.value else None

    def _lost(self) -> None:
        self.losses += 1


@pytest.fixture
async def store() -> FakeKeyValue:
    return FakeKeyValue("renditions", LEASE_S, asyncio.get_running_loop().time)


async def test_the_record_says_which_node_does_what_for_which_claim(store: FakeKeyValue) -> None:
    held = Held(store)

    await held.keep()

    record = await held.record()
    assert record == RenditionRecord(
        app=APP,
        stream=STREAM,
        epoch=WALL_MS * 1_000,
        owner=NodeId("transcoder-1"),
        claim=held.lease.epoch.claim,
        stream_claim=ClaimId("c5"),
        kind=LADDER,
    )
    assert held.lease.held
    await held.lease.release()


async def test_tracks_are_in_the_record_as_soon_as_they_are_announced(store: FakeKeyValue) -> None:
    held = Held(store)
    await held.keep()
    await asyncio.sleep(1.0)
    asked_at = asyncio.get_running_loop().time()

    held.tracks = (SIZED,)
    held.lease.announce()
    await asyncio.sleep(0.01)

    record = await held.record()
    assert record is not None
    assert record.tracks == (SIZED,)
    assert asyncio.get_running_loop().time() - asked_at < 0.1
    await held.lease.release()


async def test_a_job_that_another_node_has_is_not_won(store: FakeKeyValue) -> None:
    first = Held(store)
    await first.keep()

    assert not await Held(store, "transcoder-2").lease.claim()
    await first.lease.release()


@pytest.mark.parametrize("garbage", [b"\xff garbage", b"{}"])
async def test_a_job_under_whose_key_lies_no_record_is_won(store: FakeKeyValue, garbage: bytes) -> None:
    await store.put(JOB, garbage)
    held = Held(store)

    await held.keep()
    await asyncio.sleep(LEASE_S * 2)

    assert held.lease.held
    assert await held.record() is not None
    await held.lease.release()
    assert await held.record() is None


async def test_a_job_whose_garbage_another_node_has_overwritten_is_not_won(store: FakeKeyValue) -> None:
    await store.put(JOB, b"\xff garbage")
    one, two = Held(store), Held(store, "transcoder-2")

    assert sorted(await asyncio.gather(one.lease.claim(), two.lease.claim())) == [False, True]


def foreign_record(epoch: int, owner: str = "transcoder-2") -> RenditionRecord:
    return RenditionRecord(
        app=APP, stream=STREAM, epoch=epoch, owner=NodeId(owner), claim=ClaimId("foreign"), stream_claim=ClaimId("c5")
    )


@pytest.mark.parametrize("owner", ["transcoder-2", "transcoder-1"])
async def test_a_record_of_a_higher_epoch_ends_the_lease(
    store: FakeKeyValue, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = Held(store)
    await held.keep()
    foreign = foreign_record(held.lease.epoch.number + 1, owner)
    await store.put(JOB, msgspec.json.encode(foreign))
    held.lease.announce()

    await eventually(lambda: held.losses == 1)

    assert not held.lease.held
    (line,) = [line for line in caplog.records if "stands down" in line.getMessage()]
    assert line.levelno == logging.INFO, "nobody notices: the other node has the job"
    assert vars(line)["rillcast_fields"] == {"key": JOB, "owner": owner}
    await held.lease.release()
    assert await held.record() == foreign


async def test_a_record_of_a_lower_epoch_is_overwritten_and_relays_stay_valid(store: FakeKeyValue) -> None:
    held = Held(store)
    await held.keep()
    before = held.lease.epoch
    await store.put(JOB, msgspec.json.encode(foreign_record(before.number - 1)))
    held.lease.announce()
    await asyncio.sleep(1.0)

    assert (held.losses, held.lease.held) == (0, True)
    assert (held.lease.epoch.claim, held.lease.epoch > before) == (before.claim, True)
    record = await held.record()
    assert record is not None
    assert record.claim == before.claim
    await held.lease.release()


@pytest.mark.parametrize("kind", ["bytes", "owner", "stream"])
async def test_what_is_no_record_of_the_job_is_overwritten(store: FakeKeyValue, kind: str) -> None:
    held = Held(store)
    await held.keep()
    written = await held.record()
    assert written is not None
    garbage = {
        "bytes": b"\xff garbage",
        "owner": msgspec.json.encode(msgspec.structs.replace(written, owner=NodeId("é"))),
        "stream": msgspec.json.encode(
            msgspec.structs.replace(written, owner=NodeId("transcoder-2"), stream=StreamId("other"))
        ),
    }
    await store.put(JOB, garbage[kind])
    held.lease.announce()
    await asyncio.sleep(1.0)

    assert held.losses == 0
    assert held.lease.held
    after = await held.record()
    assert after == msgspec.structs.replace(written, epoch=held.lease.epoch.number)
    await held.lease.release()


async def test_a_lease_that_is_given_back_is_free_and_nobody_is_told_of_a_loss(store: FakeKeyValue) -> None:
    held = Held(store)
    await held.keep()

    await held.lease.release()
    await held.lease.release()

    assert await held.record() is None
    assert held.losses == 0


async def test_a_fault_of_ours_while_keeping_ends_the_lease_and_is_raised_by_its_release(store: FakeKeyValue) -> None:
    held = Held(store)
    await held.keep()
    await asyncio.sleep(1.0)
    held.lease._claimed = object()  # type: ignore[assignment]
    held.lease.announce()

    await eventually(lambda: held.losses == 1)

    with pytest.raises(TypeError):
        await held.lease.release()
