"""The door to the plane and the fake that stands for it: handlers that fail, and a plane that is behind."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import msgspec
import pytest

from rillcast.contracts.errors import ErrorCode
from rillcast.media import protocol as p
from rillcast.media.plane import TURN, NativePlane, PlaneBusy
from rillcast.media.protocol import PlaneRelay, PlaneSession, SourceId
from rillcast.testing.eventually import within
from rillcast.testing.plane import FakePlane

FAULT = "a fault of ours"


class Recorder:
    """Handles events; fails on that of source 2."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, event: p.Event) -> None:
        assert isinstance(event, p.SourceStarted)
        self.seen.append(event.source)
        if event.source == 2:
            raise RuntimeError(FAULT)


class ExtensionBusy(Exception):
    """What the extension raises when a mailbox is full."""


class ExtensionPlane:
    """Stands for the extension's class: has something to tell, and is behind."""

    def __init__(self, config: bytes, raw: object = None) -> None:
        self.events = [msgspec.json.encode(p.SourceStarted(source=SourceId(source))) for source in (1, 2, 3)]
        self.packets = [(2, b"two"), (3, b"three")]

    def ports(self) -> list[tuple[int, int]]:
        return [(1, 2)]

    def close(self) -> int:
        """One thread hangs."""
        return 1

    def fileno(self) -> int:
        return 0

    def poll(self, limit: int) -> tuple[list[bytes], list[tuple[int, bytes]]]:
        events, self.events = self.events[:limit], self.events[limit:]
        room = limit - len(events)
        packets, self.packets = self.packets[:room], self.packets[room:]
        return events, packets

    def execute(self, command: bytes) -> None:
        raise ExtensionBusy("worker 0 is too far behind")

    def push_rtp(self, source: int, packets: list[bytes]) -> None:
        raise ExtensionBusy("worker 0 is too far behind")


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """`import rillcast_native` finds the class above; the loop is never woken by it, tests call `_wake`."""
    module = ModuleType("rillcast_native")
    module.__dict__.update(Plane=ExtensionPlane, PlaneBusy=ExtensionBusy)
    monkeypatch.setitem(sys.modules, "rillcast_native", module)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_reader", lambda *_: None)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "remove_reader", lambda *_: None)


async def test_one_failing_handler_loses_no_other_event_or_packet_of_the_batch(extension: None) -> None:
    recorder, packets = Recorder(), list[int]()

    def on_packet(source: int, packet: bytes) -> None:
        packets.append(source)
        raise RuntimeError("another fault")

    plane = NativePlane(p.PlaneConfig(), recorder, on_packet)
    plane._wake()
    assert recorder.seen == [1, 2, 3]
    assert packets == [2, 3]


async def test_a_failing_handler_ends_whoever_watches_the_plane(extension: None) -> None:
    plane = NativePlane(p.PlaneConfig(), Recorder())
    plane._wake()
    async with within(5, "the failure of the handler"):
        with pytest.raises(RuntimeError, match=FAULT):
            await plane.until_failure()


async def test_a_plane_that_cannot_be_asked_ends_whoever_watches_it_and_wakes_nobody_again(
    extension: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = list[int]()
    monkeypatch.setattr(asyncio.SelectorEventLoop, "remove_reader", lambda _, fd: removed.append(fd))

    def broken(self: ExtensionPlane, limit: int) -> tuple[list[bytes], list[tuple[int, bytes]]]:
        raise TypeError(FAULT)

    monkeypatch.setattr(ExtensionPlane, "poll", broken)
    plane = NativePlane(p.PlaneConfig(), Recorder())

    plane._wake()

    assert removed == [0]
    async with within(5, "the failure of the handler"):
        with pytest.raises(TypeError, match=FAULT):
            await plane.until_failure()


async def test_an_event_that_cannot_be_read_is_a_failure_and_loses_no_other(
    extension: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    plane = NativePlane(p.PlaneConfig(), recorder)
    good = msgspec.json.encode(p.SourceStarted(source=SourceId(1)))
    monkeypatch.setattr(plane._native, "events", [b'{"type":"unheard_of"}', good])
    plane._wake()
    assert recorder.seen == [1]
    async with within(5, "the failure of the decoding"):
        with pytest.raises(msgspec.ValidationError):
            await plane.until_failure()


def started(sources: range) -> list[bytes]:
    return [msgspec.json.encode(p.SourceStarted(source=SourceId(source))) for source in sources]


async def test_much_is_fetched_in_turns_and_handled_in_order(extension: None, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, packets = Recorder(), list[int]()
    plane = NativePlane(p.PlaneConfig(), recorder, lambda source, _: packets.append(source))
    monkeypatch.setattr(plane._native, "events", started(range(10, 10 + 2 * TURN + 5)))
    seen = []
    for _ in range(4):
        plane._wake()
        seen.append((len(recorder.seen), len(packets)))
    assert seen == [(TURN, 0), (2 * TURN, 0), (2 * TURN + 5, 2), (2 * TURN + 5, 2)]
    assert recorder.seen == list(range(10, 10 + 2 * TURN + 5))


async def test_a_thread_that_did_not_end_is_told(extension: None, caplog: pytest.LogCaptureFixture) -> None:
    NativePlane(p.PlaneConfig(), Recorder()).close()
    assert caplog.messages == ["Media threads hang and are left to the end of the process: 1"]


async def test_a_plane_that_is_behind_is_told_from_an_impossible_command(extension: None) -> None:
    plane = NativePlane(p.PlaneConfig(), Recorder())
    with pytest.raises(PlaneBusy, match="worker 0") as busy:
        plane.execute(p.RequestKeyframe(source=SourceId(1)))
    assert busy.value.code is ErrorCode.HIGH_RESOURCE_USAGE
    with pytest.raises(PlaneBusy):
        plane.push_rtp(SourceId(1), [b"packet"])


async def test_the_fake_behaves_likewise() -> None:
    recorder = Recorder()
    fake = FakePlane(on_event=recorder)
    with pytest.raises(RuntimeError, match=FAULT):
        fake.emit(*(p.SourceStarted(source=SourceId(source)) for source in (1, 2, 3)))
    assert recorder.seen == [1, 2, 3]
    async with within(5, "the failure of the handler"):
        with pytest.raises(RuntimeError, match=FAULT):
            await fake.until_failure()


def test_a_busy_fake_takes_removals_and_nothing_else() -> None:
    fake = FakePlane()
    fake.busy = True
    fake.execute(p.RemoveSession(session=PlaneSession(1)))
    fake.execute(p.RemoveSource(source=SourceId(1)))
    fake.execute(p.RemoveRelay(relay=PlaneRelay(1)))
    with pytest.raises(PlaneBusy):
        fake.execute(p.RequestKeyframe(source=SourceId(1)))
    with pytest.raises(PlaneBusy):
        fake.push_rtp(SourceId(1), [b"packet"])
