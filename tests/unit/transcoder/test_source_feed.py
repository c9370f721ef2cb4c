"""The source of a job comes in, is lost, comes again, and is given back."""

from __future__ import annotations

import asyncio

from rillcast.cluster.stream_directory import LiveStream, TrackSupply
from rillcast.contracts.epochs import Epoch
from rillcast.contracts.errors import ErrorCode, RillcastError
from rillcast.contracts.ids import ClaimId, NodeId
from rillcast.contracts.messages import Ack, RelayAnswer, RelayClose, RelayGrant, RelayOpen
from rillcast.contracts.records import StreamRecord
from rillcast.contracts.subjects import media_relay_close, media_relay_open
from rillcast.media.protocol import AddRelaySource, RemoveSource, RequestKeyframe, SourceId, Tap
from rillcast.node.addresses import MediaAddresses
from rillcast.node.background import BackgroundTasks
from rillcast.relay.child import ChildRelays
from rillcast.testing.bus import FakeBus
from rillcast.testing.clock import FakeClock
from rillcast.testing.plane import FakePlane
from rillcast.testing.relay_keys import PlainRelayKeys
from services.transcoder.usecases.source_feed import MOST_RETRY_S, SourceFeed
from tests.unit.transcoder.cluster import APP, KEY, ORIGIN, STREAM, VIDEO

SOURCE = 7
EPOCH = Epoch(5, ClaimId("c5"))


class Bench:
    """One feed, and an origin that grants, refuses or does not answer."""

    def __init__(self) -> None:
        self.clock, self.plane, self.bus, self.tasks = FakeClock(), FakePlane(), FakeBus(), BackgroundTasks()
        addresses = MediaAddresses("", self.plane.workers, (), "127.0.0.1")
        relays = ChildRelays(
            keys=PlainRelayKeys(),
            node=NodeId("transcoder-1"),
            bus=self.bus,
            plane=self.plane,
            addresses=addresses,
            tasks=self.tasks,
            clock=self.clock,
        )
        self.feed = SourceFeed(
            relays, plane=self.plane, tasks=self.tasks, clock=self.clock, source=SourceId(SOURCE), worker=0
        )
        self.opened: list[RelayOpen] = []
        self.closed: list[RelayClose] = []
        self.refusing = False
        self.answering = asyncio.Event()
        self.answering.set()
        self.fed = 0
        record = StreamRecord(app=APP, stream=STREAM, owner=ORIGIN, publisher_session="s", tracks=(VIDEO,))  # type: ignore[arg-type]
        self.live = LiveStream(KEY, record, EPOCH, (), ())

    async def start(self) -> Bench:
        await self.bus.serve(media_relay_open(ORIGIN), RelayOpen, self._open)
        await self.bus.serve(media_relay_close(ORIGIN), RelayClose, self._close)
        return self

    async def bring(self) -> None:
        self.feed.bring(self.live, TrackSupply(VIDEO, ORIGIN, EPOCH.claim), self._on_open)
        await asyncio.sleep(0.1)

    def _on_open(self) -> None:
        self.fed += 1

    async def _open(self, request: RelayOpen) -> RelayAnswer:
        self.opened.append(request)
        await self.answering.wait()
        if self.refusing:
            raise RillcastError(ErrorCode.HIGH_RESOURCE_USAGE, "no")
        grant = RelayGrant(
            parent_address="127.0.0.1:9",
            ssrc=7,
            payload_type=96,
            srtp_key="k",
            srtcp_key="c",
            claim=ClaimId("c5"),
            track=VIDEO,
        )
        return RelayAnswer(grant=grant)

    async def _close(self, request: RelayClose) -> Ack:
        self.closed.append(request)
        return Ack()


async def test_it_is_asked_for_once_and_tapped_when_it_is_there() -> None:
    bench = await Bench().start()
    bench.feed.tap(True)
    assert bench.plane.commands == [], "nothing to tap yet"
    await bench.bring()
    await bench.bring()
    bench.feed.tap(True)
    assert [type(command) for command in bench.plane.commands] == [AddRelaySource, Tap, RequestKeyframe]
    assert (len(bench.opened), bench.fed) == (1, 1)


async def test_an_origin_that_does_not_answer_is_asked_once_at_a_time_and_holds_nobody_up() -> None:
    bench = await Bench().start()
    bench.answering.clear()
    await bench.bring()
    await bench.bring()
    assert len(bench.opened) == 1
    bench.answering.set()
    await bench.tasks.settle()
    assert bench.fed == 1


async def test_a_refusal_is_answered_by_waiting_a_while() -> None:
    bench = await Bench().start()
    bench.refusing = True
    await bench.bring()
    await bench.bring()
    assert (len(bench.opened), bench.fed) == (1, 0)
    bench.refusing = False
    bench.clock.advance(MOST_RETRY_S)
    await bench.bring()
    assert (len(bench.opened), bench.fed) == (2, 1)


async def test_a_lost_source_comes_again_under_the_same_id() -> None:
    bench = await Bench().start()
    await bench.bring()
    bench.feed.lost()
    bench.clock.advance(MOST_RETRY_S)
    await bench.bring()
    assert [added.source for added in bench.plane.of(AddRelaySource)] == [SOURCE, SOURCE]
    assert bench.fed == 2


async def test_a_closed_feed_gives_its_relay_back_and_may_begin_anew() -> None:
    bench = await Bench().start()
    await bench.bring()
    bench.feed.tap(True)
    bench.feed.close()
    bench.feed.close()
    await bench.tasks.settle()
    assert bench.plane.of(RemoveSource) == [RemoveSource(source=SourceId(SOURCE))]
    assert [closed.relay for closed in bench.closed] == [bench.opened[0].relay]
    await bench.bring()
    bench.feed.tap(True)
    assert len(bench.plane.of(Tap)) == 2


async def test_a_grant_that_comes_after_the_close_is_given_back() -> None:
    bench = await Bench().start()
    bench.answering.clear()
    await bench.bring()
    bench.feed.close()
    bench.answering.set()
    await bench.tasks.settle()
    assert (bench.fed, bench.plane.commands) == (0, [])
    assert len(bench.closed) == 1


async def test_the_first_clock_after_a_tap_may_be_the_planes_guess() -> None:
    bench = await Bench().start()
    await bench.bring()
    assert bench.feed.believes_clock()
    bench.feed.tap(True)
    assert [bench.feed.believes_clock() for _ in range(3)] == [False, True, True]
